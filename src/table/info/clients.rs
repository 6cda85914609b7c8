//! Who is connected, and what they do.

use super::{Counted, Lines, setting};
use crate::table::call::Call;
use crate::table::clients::Facts;
use crate::table::row::Compat;

pub(super) fn clients(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let clients = call.shared().clients.all();
    let facts: Vec<_> = clients.iter().map(|client| client.facts()).collect();
    let kept: Vec<_> = clients.iter().zip(&facts).map(|(client, facts)| client.kept(facts)).collect();
    let count = |is: fn(&Facts) -> bool| facts.iter().filter(|facts| is(facts)).count();
    let keys = Attended::of(call);
    lines.add("connected_clients", clients.len());
    lines.none(&["cluster_connections"]);
    lines.add("maxclients", setting(call, "maxclients"));
    lines.add("client_recent_max_input_buffer", kept.iter().map(|kept| kept.input).max().unwrap_or(0));
    lines.add("client_recent_max_output_buffer", kept.iter().map(|kept| kept.output).max().unwrap_or(0));
    lines.add("blocked_clients", count(|facts| facts.waits));
    lines.add("tracking_clients", call.space().tracking().counts().clients);
    let listening = count(|facts| facts.channels + facts.patterns + facts.shards > 0);
    lines.add_since((7, 4), "pubsub_clients", listening);
    lines.add_since((7, 4), "watching_clients", count(|facts| facts.keys_watched() > 0));
    lines.add("clients_in_timeout_table", count(|facts| facts.waits && facts.has_deadline));
    lines.add_since((7, 4), "total_watched_keys", keys.watched);
    lines.add_since((7, 2), "total_blocking_keys", keys.waited_for);
    lines.add_since((7, 2), "total_blocking_keys_on_nokey", keys.minded);
    if call.compat() == Compat::Valkey9 {
        paused(call, lines);
    }
}

fn paused(call: &Call<'_>, lines: &mut Lines) {
    let clock = call.space().clock();
    let (reason, actions, left) = match call.shared().pause.told(clock) {
        None => ("none", "none", 0),
        Some((until, all)) => {
            ("client_pause", if all { "all" } else { "write" }, until.saturating_sub(clock.now()))
        }
    };
    lines.add("paused_reason", reason);
    lines.add("paused_actions", actions);
    lines.add("paused_timeout_milliseconds", left);
}

/// How many keys somebody watches, waits for, and waits for so that he minds when they go.
#[derive(Default)]
struct Attended {
    watched: usize,
    waited_for: usize,
    minded: usize,
}

impl Attended {
    /// None are told by who holds but some of them.
    fn of(call: &Call<'_>) -> Attended {
        let mut keys = Attended::default();
        let _ = call.space().look_at_all(call.held(), |shard| {
            keys.watched += shard.watches.len();
            keys.waited_for += shard.waiters.keys_waited_for();
            keys.minded += shard.waiters.keys_minded();
        });
        keys
    }
}
