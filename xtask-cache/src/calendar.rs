//! Points in time as S3, HTTP and credentials spell them: always UTC, in whole seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc {
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
}

impl Utc {
    /// What a clock shows. A clock that is set before 1970 shows its first second.
    #[must_use]
    pub fn of(time: SystemTime) -> Utc {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Years that begin in March, so that the odd day is the last one (Hinnant's `civil_from_days`).
        let days = seconds / DAY + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let in_day = seconds % DAY;
        Utc {
            year: era * 400 + year + u64::from(month >= 10),
            month: if month < 10 { month + 3 } else { month - 9 },
            day: day - (153 * month + 2) / 5 + 1,
            hour: in_day / 3600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
        }
    }

    /// The point in time; `None` when there is no such day.
    #[must_use]
    pub fn time(self) -> Option<SystemTime> {
        let real = (1970..10_000).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60;
        if !real {
            return None;
        }
        let year = if self.month > 2 { self.year } else { self.year - 1 };
        let (era, of_era) = (year / 400, year % 400);
        let month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let day = (153 * month + 2) / 5 + self.day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day - 719_468;
        let seconds = days * DAY + self.hour * 3600 + self.minute * 60 + self.second;
        Some(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// `20260131T235959Z`
    #[must_use]
    pub fn compact(self) -> String {
        let Utc { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// `2026-01-31 23:59 UTC`
    #[must_use]
    pub fn readable(self) -> String {
        let Utc { year, month, day, hour, minute, .. } = self;
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// `2026-01-31T23:59:59Z`, with a fraction or an offset from UTC as some tools write them.
#[must_use]
pub fn iso8601(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse().ok();
    let utc = Utc {
        year: number(0, 4)?,
        month: number(5, 7)?,
        day: number(8, 10)?,
        hour: number(11, 13)?,
        minute: number(14, 16)?,
        second: number(17, 19)?,
    };
    let zone = text[19..].trim_start_matches(|it: char| it == '.' || it.is_ascii_digit());
    if ["Z", "z", "", "+00:00"].contains(&zone) {
        return utc.time();
    }
    let minutes =
        |it: &str| Some(it.get(1..3)?.parse::<u64>().ok()? * 60 + it.get(4..6)?.parse::<u64>().ok()?);
    let offset = Duration::from_secs(minutes(zone)? * 60);
    match zone.as_bytes().first()? {
        b'+' => utc.time()?.checked_sub(offset),
        b'-' => utc.time()?.checked_add(offset),
        _ => None,
    }
}

/// `Sun, 31 Jan 2026 23:59:59 GMT`
#[must_use]
pub fn http_date(text: &str) -> Option<SystemTime> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, clock, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|it| it == month)? + 1;
    let mut clock = clock.split(':').map(|it| it.parse().ok());
    let mut part = || clock.next().flatten();
    Utc {
        year: year.parse().ok()?,
        month: u64::try_from(month).ok()?,
        day: day.parse().ok()?,
        hour: part()?,
        minute: part()?,
        second: part()?,
    }
    .time()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn there_and_back() {
        for (seconds, want) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (1_795_386_558, "20261122T222918Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            let utc = Utc::of(at(seconds));
            assert_eq!(utc.compact(), want);
            assert_eq!(utc.time(), Some(at(seconds)), "{want}");
        }
        assert_eq!(Utc::of(at(1_795_386_558)).readable(), "2026-11-22 22:29 UTC");
    }

    #[test]
    fn spellings() {
        let want = Some(at(1_795_386_558));
        for text in [
            "2026-11-22T22:29:18Z",
            "2026-11-22T22:29:18.123456Z",
            "2026-11-22T22:29:18",
            "2026-11-22T22:29:18+00:00",
            "2026-11-22T23:59:18+01:30",
            "2026-11-22T17:29:18-05:00",
        ] {
            assert_eq!(iso8601(text), want, "{text}");
        }
        assert_eq!(http_date("Sun, 22 Nov 2026 22:29:18 GMT"), want);
        for text in ["", "tomorrow", "2026-13-22T22:29:18Z", "2026-11-22T22:29:18+x", "2026-11-22"] {
            assert_eq!(iso8601(text), None, "{text}");
        }
        for text in ["", "120", "Sun, 22 Foo 2026 22:29:18 GMT", "Sun, 22 Nov 2026 22:29 GMT"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }
}
