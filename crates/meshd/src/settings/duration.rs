//! Durations as Go writes them: `100ms`, `1h30m`, `1.5s`.

use std::time::Duration;

/// Reads a duration; the error says what to write.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let problem = || "write a duration such as 100ms, 10s or 24h".to_owned();
    let mut rest = text;
    let mut total = 0.0;
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(problem());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(problem)?;
        let number: f64 = rest[..digits].parse().map_err(|_| problem())?;
        let unit = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |next| digits + next);
        total += number
            * match &rest[digits..unit] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(problem()),
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(total).map_err(|_| problem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_nonsense_is_refused() {
        assert_eq!(parse("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        for bad in ["", "5", "s", "5 s", "-1s", "1d"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
