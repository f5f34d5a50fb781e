//! Kubernetes quantities (`100m`, `128Mi`) in thousandths, for `resourceFieldRef`.

use serde_json::Value;

/// Reads a quantity into thousandths of its unit.
pub fn milli(value: &Value) -> Option<u128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let factor: u128 = match suffix {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    whole
        .checked_mul(factor)?
        .checked_add(fraction.checked_mul(factor)? / scale)
}

/// `value / divisor`, rounded up, as the environment shows it.
pub fn divided(value: u128, divisor: u128) -> String {
    value.div_ceil(divisor.max(1)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_read_in_all_their_spellings() {
        for (value, expected) in [
            (json!("100m"), Some(100)),
            (json!("2"), Some(2_000)),
            (json!(2), Some(2_000)),
            (json!("0.5"), Some(500)),
            (json!("1Gi"), Some(1_000 << 30)),
            (json!("1k"), Some(1_000_000)),
            (json!("much"), None),
            (json!("1Xi"), None),
        ] {
            assert_eq!(milli(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_division_rounds_up() {
        assert_eq!(divided(100, 1_000), "1");
        assert_eq!(divided(2_000, 1_000), "2");
        assert_eq!(divided(1_000 << 30, 1_000), "1073741824");
    }
}
