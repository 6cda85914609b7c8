//! INFO: what clients and those who watch over a server read of it.
//!
//! Sections and their lines are those of the server that is played, in its order, and each is true of larder. What it has none
//! of (replicas, modules, forks, threads for input and output, a cluster) is 0. Some lines say what was the case whenever somebody
//! asked, since nothing is noted in between: the peak of memory, paces, the largest buffers.
//!
//! They are compared with those of Redis 7.0, 8.2 and Valkey 9. 7.2 has those of 7.0, and what is known to have come with it;
//! 8.10 has those of 8.2, and `acl_access_denied_tls_cert` of 8.6, but not what has come since beside that.
//!
//! Left out are `Keysizes`, which Redis has since 8.0, as lengths would have to be counted with each write; what a module says of
//! itself; and with TLS the serial numbers of its certificates, which are not looked into.

mod clients;
mod counted;
mod memory;
mod others;
mod persistence;
mod scripts;
mod server;
mod stats;

use std::fmt::{Display, Write};

use super::args::is;
use super::call::{Answer, Call};
use super::config;
use super::measure;
use super::row::flag::{LOADING, STALE};
use super::row::{Compat, Keys, Row, row};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
pub(super) use counted::{Counted, Pace};
pub(super) use persistence::journal_buffer;
#[cfg_attr(not(feature = "lua"), allow(unused_imports))]
pub(crate) use scripts::ScriptCounts;
pub(super) use scripts::scripts;

pub(super) const ROWS: &[Row] = &[row("info", -1, LOADING | STALE, Keys::NONE, info)];

/// A part of what there is to tell.
struct Section {
    title: &'static str,
    /// What it is asked for by.
    name: &'static str,
    /// It comes only when it is asked for, by name or with ALL.
    is_more: bool,
    /// Who has it.
    is_of: fn(Compat) -> bool,
    tell: fn(&Call<'_>, &Counted, &mut Lines),
}

const fn section(title: &'static str, tell: fn(&Call<'_>, &Counted, &mut Lines)) -> Section {
    Section { title, name: title, is_more: false, is_of: |_| true, tell }
}

impl Section {
    const fn more(self) -> Section {
        Section { is_more: true, ..self }
    }

    const fn named(self, name: &'static str) -> Section {
        Section { name, ..self }
    }

    const fn only(self, is_of: fn(Compat) -> bool) -> Section {
        Section { is_of, ..self }
    }
}

const SECTIONS: [Section; 17] = [
    section("Server", server::server),
    section("TLS", server::tls).more().only(is_valkey),
    section("Clients", clients::clients),
    section("Memory", memory::memory),
    section("Persistence", persistence::persistence),
    section("Threads", stats::threads).only(|compat| compat.redis() >= (8, 0)),
    section("Stats", stats::stats),
    section("Replication", others::replication),
    section("CPU", server::cpu),
    section("Modules", |_, _, _| {}),
    section("Commandstats", |call, _, lines| lines.extend(measure::commandstats(call))).more(),
    section("Errorstats", |call, _, lines| lines.extend(measure::errorstats(call))),
    section("Latencystats", |call, _, lines| lines.extend(measure::latencystats(call))).more(),
    section("Cluster", |_, _, lines| lines.none(&["cluster_enabled"])),
    section("Cluster Info", |_, _, _| {}).named("cluster_info").more().only(is_valkey),
    section("Scripting Engines", others::engines).named("scriptingengines").more().only(is_valkey),
    section("Keyspace", others::keyspace),
];

fn is_valkey(compat: Compat) -> bool {
    compat == Compat::Valkey9
}

/// The text, as it grows.
struct Lines {
    compat: Compat,
    text: String,
}

impl Lines {
    fn begin(&mut self, title: &str) {
        let gap = if self.text.is_empty() { "" } else { "\r\n" };
        // A string takes whatever is written to it.
        let _ = write!(self.text, "{gap}# {title}\r\n");
    }

    fn add(&mut self, name: &str, fact: impl Display) {
        let _ = write!(self.text, "{name}:{fact}\r\n");
    }

    /// Bytes, and the same as people read them.
    fn add_bytes(&mut self, name: &str, bytes: usize) {
        self.add(name, bytes);
        self.add_human(name, bytes);
    }

    fn add_human(&mut self, name: &str, bytes: usize) {
        let _ = write!(self.text, "{name}_human:{}\r\n", human(bytes));
    }

    /// A line as Redis has it since that version and Valkey, by now, too.
    fn add_since(&mut self, (major, minor): (u8, u8), name: &str, fact: impl Display) {
        if self.compat.has_since(major, minor) {
            self.add(name, fact);
        }
    }

    /// What there is none of.
    fn none(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.add(name, 0));
    }

    fn extend(&mut self, lines: impl IntoIterator<Item = measure::Line>) {
        lines.into_iter().for_each(|(name, fact)| self.add(&name, fact));
    }
}

fn info(call: &mut Call<'_>) -> Answer {
    let asked = call.args.take_rest();
    let has_all = asked.iter().any(|word| is(word, "ALL") || is(word, "EVERYTHING"));
    let has_most = asked.is_empty() || asked.iter().any(|word| is(word, "DEFAULT"));
    let counted = Counted::now(call)?.since(&call.shared().counted.lock());
    let mut lines = Lines { compat: call.compat(), text: String::new() };
    for Section { title, name, is_more, is_of, tell } in SECTIONS {
        let is_part = has_all || has_most && !is_more || asked.iter().any(|word| is(word, name));
        if is_part && is_of(lines.compat) {
            lines.begin(title);
            tell(call, &counted, &mut lines);
        }
    }
    Ok(Reply::Verbatim("txt", Bytes::from(lines.text)))
}

/// CONFIG RESETSTAT
pub(super) fn reset(call: &Call<'_>) -> Result<(), ErrorReply> {
    let now = Counted::now(call)?;
    let shared = call.shared();
    *shared.counted.lock() = now;
    shared.seen.lock().forget_time_over();
    shared.saving.count_anew();
    shared.reset_measures();
    #[cfg(feature = "lua")]
    shared.scripts.count_evicted_anew();
    Ok(())
}

fn setting(call: &Call<'_>, name: &str) -> String {
    String::from_utf8_lossy(&config::value(call.space(), name)).into_owned()
}

/// A number of bytes as people read it.
fn human(bytes: usize) -> String {
    let units = [(1_u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.into_iter().find(|(unit, _)| bytes as u64 >= *unit) {
        Some((unit, name)) => format!("{:.2}{name}", bytes as f64 / unit as f64),
        None => format!("{bytes}B"),
    }
}
