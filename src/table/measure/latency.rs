//! LATENCY: the spikes that `latency-monitor-threshold` has had noted, and how long commands take.

use std::collections::{BTreeMap, VecDeque};

use super::super::args::is;
use super::super::call::{Answer, Call};
use super::super::command::help;
use super::super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::super::row::{Compat, Keys, Row, container, row};
use super::super::{all, find};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};

const WATCHED: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    container("latency").since(2, 8),
    row("latency|doctor", 2, WATCHED, Keys::NONE, doctor).since(2, 8),
    row("latency|graph", 3, WATCHED, Keys::NONE, graph).since(2, 8),
    row("latency|help", 2, LOADING | STALE, Keys::NONE, help).since(2, 8),
    row("latency|histogram", -2, WATCHED, Keys::NONE, histogram).since(7, 0),
    row("latency|history", 3, WATCHED, Keys::NONE, history).since(2, 8),
    row("latency|latest", 2, WATCHED, Keys::NONE, latest).since(2, 8),
    row("latency|reset", -2, WATCHED, Keys::NONE, reset).since(2, 8),
];

/// Samples of an event that are kept.
const SAMPLES: usize = 160;
/// Rows of a graph, and what stands for a third of one.
const HEIGHT: usize = 4;
const THIRDS: [char; 3] = ['_', 'o', '#'];

/// What spikes there were, by what took so long: `command`, or `fast-command` of those that take O(1) or O(log n).
#[derive(Default)]
pub(super) struct Events(BTreeMap<&'static str, Event>);

#[derive(Default)]
struct Event {
    /// The oldest comes first; the longest of a second.
    samples: VecDeque<Sample>,
    longest: u64,
    sum: u64,
    count: u64,
}

#[derive(Clone, Copy)]
struct Sample {
    /// In seconds since 1970.
    at: u64,
    millis: u64,
}

impl Events {
    /// Notes a spike.
    pub(super) fn add(&mut self, event: &'static str, at: u64, millis: u64) {
        let event = self.0.entry(event).or_default();
        event.longest = event.longest.max(millis);
        event.sum = event.sum.saturating_add(millis);
        event.count += 1;
        match event.samples.back_mut().filter(|last| last.at == at) {
            Some(last) => last.millis = last.millis.max(millis),
            None => event.samples.push_back(Sample { at, millis }),
        }
        if event.samples.len() > SAMPLES {
            event.samples.pop_front();
        }
    }

    fn get(&self, name: &[u8]) -> Option<&Event> {
        self.0.iter().find(|(known, _)| is(name, known)).map(|(_, event)| event)
    }
}

fn number(number: u64) -> Reply {
    Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn latest(call: &mut Call<'_>) -> Answer {
    let counts = call.compat() == Compat::Valkey9;
    let events = call.shared().measures.events.lock();
    let told = events.0.iter().filter_map(|(name, event)| {
        let last = event.samples.back()?;
        let mut told = vec![Reply::text(name), number(last.at), number(last.millis), number(event.longest)];
        if counts {
            told.extend([number(event.sum), number(event.count)]);
        }
        Some(Reply::Array(told))
    });
    Ok(Reply::Array(told.collect()))
}

fn history(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    let events = call.shared().measures.events.lock();
    let samples = events.get(name).into_iter().flat_map(|event| &event.samples);
    let told = samples.map(|sample| Reply::Array(vec![number(sample.at), number(sample.millis)]));
    Ok(Reply::Array(told.collect()))
}

/// LATENCY RESET of all, or of what is named: how many went.
fn reset(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let mut events = call.shared().measures.events.lock();
    let before = events.0.len();
    events.0.retain(|known, _| !names.is_empty() && !names.iter().any(|name| is(name, known)));
    Ok(Reply::count(before - events.0.len()))
}

fn graph(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    let events = call.shared().measures.events.lock();
    let Some(event) = events.get(name) else {
        let name = String::from_utf8_lossy(name);
        return Err(ErrorReply::new(format!("ERR No samples available for event '{name}'")));
    };
    let times = || event.samples.iter().map(|sample| sample.millis);
    let (high, low) = (times().max().unwrap_or(0), times().min().unwrap_or(0));
    let mut text = format!(
        "{} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        String::from_utf8_lossy(name).to_ascii_lowercase(),
        event.longest,
        "-".repeat(80)
    );
    let steps = HEIGHT * THIRDS.len() - 1;
    // The quotient is no more than `steps`.
    let levels: Vec<usize> = times()
        .map(|millis| (u128::from(millis - low) * steps as u128 / u128::from((high - low).max(1))) as usize)
        .collect();
    for row in (0..HEIGHT).rev() {
        let first = row * THIRDS.len();
        text.extend(levels.iter().map(|level| match level.checked_sub(first) {
            None => ' ',
            Some(third) => THIRDS.get(third).copied().unwrap_or('|'),
        }));
        text.push('\n');
    }
    // How long ago each was, from the top down.
    let now = call.space().clock().wall() / 1_000;
    let ages: Vec<String> = event.samples.iter().map(|sample| age(now.saturating_sub(sample.at))).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    text.push_str(&" ".repeat(ages.len()));
    text.push('\n');
    for at in 0..longest {
        text.extend(ages.iter().map(|age| age.as_bytes().get(at).map_or(' ', |byte| char::from(*byte))));
        text.push('\n');
    }
    Ok(Reply::Verbatim("txt", Bytes::from(text)))
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn doctor(call: &mut Call<'_>) -> Answer {
    let measures = &call.shared().measures;
    let events = measures.events.lock();
    let mut text = String::new();
    for (name, event) in &events.0 {
        let average = event.sum / event.count.max(1);
        text.push_str(&format!(
            "{name}: {} spikes of {average} ms on average, the longest of {} ms.\n",
            event.count, event.longest
        ));
    }
    text.push_str(match (measures.limits.spike().is_some(), events.0.is_empty()) {
        (false, true) => {
            "Spikes are not noted. To have them noted: CONFIG SET latency-monitor-threshold <milliseconds>.\n"
        }
        (true, true) => "There was no spike.\n",
        (_, false) => "Which commands they were, SLOWLOG GET tells of those that it has been told to keep.\n",
    });
    Ok(Reply::Verbatim("txt", Bytes::from(text)))
}

/// LATENCY HISTOGRAM of all commands that were called, or of those that are named; a container is all its own.
fn histogram(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    call.shared().collect();
    let mut rows: Vec<&'static Row> = Vec::new();
    for name in names {
        let Some(row) = find(&name.to_ascii_lowercase()).filter(|row| row.is_in(call.compat())) else {
            continue;
        };
        rows.extend(all().filter(|other| is_of(other.name, row.name)));
    }
    if names.is_empty() {
        rows.extend(all());
    }
    let commands = call.shared().measures.commands.lock();
    let told = rows.into_iter().filter_map(|row| {
        let times = commands.get(row.name).map(|stat| &stat.times).filter(|times| times.count() > 0)?;
        let levels = times.cumulative().into_iter().map(|(micros, count)| (number(micros), number(count)));
        let facts = vec![
            (Reply::text("calls"), number(times.count())),
            (Reply::text("histogram_usec"), Reply::Map(levels.collect())),
        ];
        Some((Reply::text(row.name), Reply::Map(facts)))
    });
    Ok(Reply::Map(told.collect()))
}

fn is_of(name: &str, of: &str) -> bool {
    name.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_160_are_kept() {
        let mut events = Events::default();
        for at in 0..200 {
            events.add("command", at, at);
            events.add("command", at, 7);
        }
        let event = events.get(b"COMMAND").expect("was added");
        assert_eq!((event.longest, event.count), (199, 400));
        assert_eq!((event.samples.len(), event.samples[0].millis), (SAMPLES, 40));
        assert!(events.get(b"fast-command").is_none());
    }
}
