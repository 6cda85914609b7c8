//! Lines of a log as Redis writes them: process, role, time (UTC), level, text.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::arguments::Settings;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Notice,
    Warning,
    Nothing,
}

/// Where lines go.
pub enum Place {
    /// The standard output.
    Output,
    /// A file, which is opened for each line, as Redis does: who rotates it moves it away.
    File(PathBuf),
    Nowhere,
}

/// Where lines go, and which.
pub struct Log {
    place: Place,
    least: Level,
}

impl Log {
    /// To the file that is set, or else to that place.
    ///
    /// # Errors
    /// What is to be told of a file that cannot be written.
    pub fn open(settings: &Settings, otherwise: Place) -> Result<Log, String> {
        let place = settings.path("logfile").map_or(otherwise, Place::File);
        if let Place::File(path) = &place {
            open(path).map_err(|error| format!("Can't open the log file {}: {error}", path.display()))?;
        }
        let least = match settings.get("loglevel").as_deref() {
            Some("warning") => Level::Warning,
            Some("nothing") => Level::Nothing,
            _ => Level::Notice,
        };
        Ok(Log { place, least })
    }

    pub fn notice(&self, text: &str) {
        self.write(Level::Notice, text);
    }

    pub fn warning(&self, text: &str) {
        self.write(Level::Warning, text);
    }

    fn write(&self, level: Level, text: &str) {
        if level < self.least {
            return;
        }
        let mark = if level == Level::Notice { '*' } else { '#' };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = time(since.as_secs(), since.subsec_millis());
        let line = format!("{}:M {time} {mark} {text}\n", std::process::id());
        // Whom nobody reads has nothing better to do.
        let _ = match &self.place {
            Place::File(path) => open(path).and_then(|mut file| file.write_all(line.as_bytes())),
            Place::Output => io::stdout().write_all(line.as_bytes()),
            Place::Nowhere => Ok(()),
        };
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// `21 Nov 2026 16:57:07.478`
fn time(seconds: u64, millis: u32) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // From 1 March of the year 0 on, so that a leap day is the last of its year (Hinnant's `civil_from_days`).
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 2, 0) } else { (month - 10, 1) };
    let year = year + era * 400 + later;
    let month = MONTHS.get(month as usize).copied().unwrap_or_default();
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{day:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{millis:03}")
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0, 0), "01 Jan 1970 00:00:00.000");
        assert_eq!(time(951_782_399, 999), "28 Feb 2000 23:59:59.999");
        assert_eq!(time(951_782_400, 0), "29 Feb 2000 00:00:00.000");
        assert_eq!(time(1_795_280_227, 478), "21 Nov 2026 16:57:07.478");
        assert_eq!(time(4_107_542_399, 1), "28 Feb 2100 23:59:59.001");
        assert_eq!(time(4_107_542_400, 1), "01 Mar 2100 00:00:00.001");
    }
}
