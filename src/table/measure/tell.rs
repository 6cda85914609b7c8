//! What INFO tells of commands: how often, how long, and with which errors.

use super::super::call::Call;
use super::super::config;
use super::Stat;

/// A line of INFO: the name of a fact, and the fact.
pub(in crate::table) type Line = (String, String);

/// Lines of all commands in the order of their names.
fn of_each(call: &Call<'_>, prefix: &str, tell: impl Fn(&Stat) -> Option<String>) -> Vec<Line> {
    call.shared().collect();
    let commands = call.shared().measures.commands.lock();
    let lines = commands.iter().filter_map(|(name, stat)| Some((format!("{prefix}_{name}"), tell(stat)?)));
    let mut lines: Vec<Line> = lines.collect();
    lines.sort_unstable();
    lines
}

/// How often each was called, and how long that took in microseconds.
pub(in crate::table) fn commandstats(call: &Call<'_>) -> Vec<Line> {
    of_each(call, "cmdstat", |stat| {
        let each = if stat.calls == 0 { 0.0 } else { stat.nanos as f64 / 1_000.0 / stat.calls as f64 };
        Some(format!(
            "calls={},usec={},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            stat.calls,
            stat.nanos / 1_000,
            stat.rejected,
            stat.failed
        ))
    })
}

/// How long most calls of each take: `latency-tracking-info-percentiles`, in microseconds.
pub(in crate::table) fn latencystats(call: &Call<'_>) -> Vec<Line> {
    let asked = config::value(call.space(), "latency-tracking-info-percentiles");
    let asked = String::from_utf8_lossy(&asked);
    let percents = asked.split_ascii_whitespace().filter_map(|text| text.parse().ok());
    let asked: Vec<(String, f64)> = percents.map(|percent| (short(percent), percent)).collect();
    of_each(call, "latency_percentiles_usec", |stat| {
        let told = asked.iter().map(|(text, percent)| {
            format!("p{text}={:.3}", stat.times.percentile(*percent) as f64 / 1_000.0)
        });
        (stat.times.count() > 0).then(|| told.collect::<Vec<_>>().join(","))
    })
}

/// A number with up to six places, and no zeros behind them.
fn short(percent: f64) -> String {
    format!("{percent:.6}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many errors there were of each code.
pub(in crate::table) fn errorstats(call: &Call<'_>) -> Vec<Line> {
    let errors = call.shared().measures.errors.lock();
    errors.iter().map(|(code, count)| (format!("errorstat_{code}"), format!("count={count}"))).collect()
}
