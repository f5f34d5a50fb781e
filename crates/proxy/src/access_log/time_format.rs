//! Times in log lines: Envoy's default form and the `strftime` subset that its configs use.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use ferromesh_route::Template;
use ferromesh_route::template::{CertificateField, Operator, Segment};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneOffsetInfo};
use thiserror::Error;
use time::{OffsetDateTime, UtcOffset};

/// A time format that holds something we do not know.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("time format {format:?} is not supported: {specifier}")]
pub struct InvalidTimeFormat {
    /// The format.
    pub format: String,
    /// What is not known.
    pub specifier: String,
}

/// Checks the time formats of a template, so that a line can always be written.
pub fn check_template(template: &Template) -> Result<(), InvalidTimeFormat> {
    for segment in template.segments() {
        if let Segment::Operator { operator, .. } = segment
            && let Operator::StartTime(format)
            | Operator::EmitTime(format)
            | Operator::LocalStartTime(format)
            | Operator::LocalEmitTime(format)
            | Operator::Certificate(
                _,
                CertificateField::ValidFrom(format) | CertificateField::ValidUntil(format),
            ) = operator
        {
            let mut scratch = String::new();
            write_time(&mut scratch, format, UNIX_EPOCH)?;
        }
    }
    Ok(())
}

/// Writes `at` in UTC. An empty format is `2026-01-31T12:00:00.000Z`.
pub(super) fn write_time(
    out: &mut String,
    format: &str,
    at: SystemTime,
) -> Result<(), InvalidTimeFormat> {
    let moment = Moment {
        at: OffsetDateTime::from(at),
        zone: "UTC",
    };
    if format.is_empty() {
        return write_format(out, "%Y-%m-%dT%H:%M:%E3SZ", &moment);
    }
    write_format(out, format, &moment)
}

/// Writes `at` in the time zone of the machine, or of the variable `TZ`. An empty format is
/// `2026-01-31T13:00:00.000+0100`.
pub(super) fn write_local_time(
    out: &mut String,
    format: &str,
    at: SystemTime,
) -> Result<(), InvalidTimeFormat> {
    write_time_in(&TimeZone::system(), out, format, at)
}

fn write_time_in(
    zone: &TimeZone,
    out: &mut String,
    format: &str,
    at: SystemTime,
) -> Result<(), InvalidTimeFormat> {
    // Times that no calendar has are written in UTC.
    let info = Timestamp::try_from(at).map(|at| zone.to_offset_info(at));
    let seconds = info.as_ref().map_or(0, |info| info.offset().seconds());
    let offset = UtcOffset::from_whole_seconds(seconds).unwrap_or(UtcOffset::UTC);
    let moment = Moment {
        at: OffsetDateTime::from(at).to_offset(offset),
        zone: info
            .as_ref()
            .map_or("UTC", TimeZoneOffsetInfo::abbreviation),
    };
    let format = match format {
        "" => "%Y-%m-%dT%H:%M:%E3S%z",
        format => format,
    };
    write_format(out, format, &moment)
}

struct Moment<'z> {
    at: OffsetDateTime,
    /// The zone's short name.
    zone: &'z str,
}

fn write_format(
    out: &mut String,
    format: &str,
    moment: &Moment<'_>,
) -> Result<(), InvalidTimeFormat> {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let length = specifier_length(after);
        let specifier = &after[..length];
        write_specifier(out, specifier, moment).ok_or_else(|| InvalidTimeFormat {
            format: format.to_owned(),
            specifier: format!("%{specifier}"),
        })?;
        rest = &after[length..];
    }
    out.push_str(rest);
    Ok(())
}

/// `Y`, `3f` or `E3S`.
fn specifier_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes {
        [b'E', digit, b'S', ..] if digit.is_ascii_digit() => 3,
        [digit, b'f', ..] if digit.is_ascii_digit() => 2,
        [first, ..] if first.is_ascii() => 1,
        _ => 0,
    }
}

fn write_specifier(out: &mut String, specifier: &str, whole: &Moment<'_>) -> Option<()> {
    let moment = whole.at;
    let written = match specifier.as_bytes() {
        b"Y" => write!(out, "{:04}", moment.year()),
        b"m" => write!(out, "{:02}", u8::from(moment.month())),
        b"d" => write!(out, "{:02}", moment.day()),
        b"e" => write!(out, "{:2}", moment.day()),
        b"j" => write!(out, "{:03}", moment.ordinal()),
        b"b" | b"h" => write!(out, "{:.3}", moment.month().to_string()),
        b"B" => write!(out, "{}", moment.month()),
        b"a" => write!(out, "{:.3}", moment.weekday().to_string()),
        b"A" => write!(out, "{}", moment.weekday()),
        b"H" => write!(out, "{:02}", moment.hour()),
        b"M" => write!(out, "{:02}", moment.minute()),
        b"S" => write!(out, "{:02}", moment.second()),
        b"s" => write!(out, "{}", moment.unix_timestamp()),
        b"f" => write!(out, "{:09}", moment.nanosecond()),
        b"z" => write_offset(out, moment.offset()),
        b"Z" => write!(out, "{}", whole.zone),
        b"T" => write_nested(out, "%H:%M:%S", whole),
        b"F" => write_nested(out, "%Y-%m-%d", whole),
        b"%" => write!(out, "%"),
        [digit, b'f'] => write_fraction(out, *digit, moment),
        [b'E', digit, b'S'] => {
            write!(out, "{:02}.", moment.second()).ok()?;
            write_fraction(out, *digit, moment)
        }
        _ => return None,
    };
    written.ok()
}

fn write_offset(out: &mut String, offset: UtcOffset) -> std::fmt::Result {
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    write!(out, "{sign}{:02}{:02}", hours.abs(), minutes.abs())
}

fn write_nested(out: &mut String, format: &str, moment: &Moment<'_>) -> std::fmt::Result {
    write_format(out, format, moment).map_err(|_| std::fmt::Error)
}

fn write_fraction(out: &mut String, digit: u8, moment: OffsetDateTime) -> std::fmt::Result {
    let digits = usize::from(digit - b'0').clamp(1, 9);
    let nanos = format!("{:09}", moment.nanosecond());
    out.write_str(&nanos[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_in_utc() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for (format, expected) in [
            ("", "2023-11-14T22:13:20.123Z"),
            ("%s.%3f", "1700000000.123"),
            ("%Y/%m/%dT%T%z %s", "2023/11/14T22:13:20+0000 1700000000"),
        ] {
            let mut out = String::new();
            write_time(&mut out, format, at).expect("supported");
            assert_eq!(out, expected);
        }
        assert!(write_time(&mut String::new(), "%q", at).is_err());
    }

    #[test]
    fn local_times_have_their_zone() -> Result<(), jiff::Error> {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")?;
        let winter = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let summer = winter - Duration::from_hours(2400);
        for (at, format, expected) in [
            (winter, "", "2023-11-14T23:13:20.123+0100"),
            (summer, "%F %T %z %Z", "2023-08-07 00:13:20 +0200 CEST"),
            (winter, "%s", "1700000000"),
        ] {
            let mut out = String::new();
            write_time_in(&zone, &mut out, format, at).expect("supported");
            assert_eq!(out, expected);
        }
        let west = TimeZone::posix("NST3:30")?;
        let mut out = String::new();
        write_time_in(&west, &mut out, "%H:%M%z", winter).expect("supported");
        assert_eq!(out, "18:43-0330");
        Ok(())
    }
}
