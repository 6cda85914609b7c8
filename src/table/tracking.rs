//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: what a session says of the cache that it keeps.

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::row::flag::{LOADING, NOSCRIPT, PUBSUB, READONLY, SCRIPTS, STALE};
use super::row::{Keys, Row, row};
use super::session::Session;
use super::shared::Shared;
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::sync::Arc;
use crate::text::number;
use crate::tracking::{Options, Tracker};
use crate::wake::Wakes;

const OWN: u32 = NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    row("client|caching", 3, OWN, Keys::NONE, caching).since(6, 0),
    row("client|getredir", 2, OWN, Keys::NONE, redirect).since(6, 0),
    row("client|tracking", -3, OWN, Keys::NONE, tracking).since(6, 0),
    row("client|trackinginfo", 2, OWN, Keys::NONE, info).since(6, 2),
];

/// Keys that a command is about to read into a cache.
pub(super) struct Read {
    tracker: Arc<Tracker>,
    keys: Vec<Bytes>,
}

impl Session {
    /// Has the session told of changes to the keys that a command is about to read, if it wants to be.
    pub(super) fn remember_reads(&self, row: &Row, words: &[Bytes]) -> Option<Read> {
        let tracker = self.client.known_tracker().filter(|tracker| tracker.is_on())?;
        // A script that only reads does so by its commands.
        if !row.has(READONLY) || row.has(PUBSUB) || row.has(SCRIPTS) {
            return None;
        }
        let options = tracker.options();
        let wants = if options.opt_in { self.caching } else { !(options.opt_out && self.caching) };
        if options.broadcast || !wants {
            return None;
        }
        let keys: Vec<Bytes> =
            row.keys.of(words).into_iter().filter_map(|at| words.get(at).cloned()).collect();
        let mut wakes = Wakes::default();
        keys.iter().for_each(|key| self.db().space().tracking().remember(tracker, key, &mut wakes));
        self.wake_all(wakes);
        // What comes to the session itself comes behind the reply. Another may have been told too early.
        options.redirect.map(|_| Read { tracker: Arc::clone(tracker), keys })
    }

    /// A key that was changed between being remembered and being read is told again.
    pub(super) fn tell_again(&self, read: Option<Read>) {
        let Some(Read { tracker, keys }) = read else { return };
        let mut wakes = Wakes::default();
        let tracking = self.db().space().tracking();
        for key in keys.into_iter().filter(|key| !tracking.remembers(&tracker, key)) {
            tracker.invalidate(&std::iter::once(key).collect(), &mut wakes);
        }
        self.wake_all(wakes);
    }

    /// Keeps no cache any more.
    pub(super) fn stop_tracking(&mut self) {
        self.caching = false;
        if let Some(tracker) = self.client.known_tracker() {
            self.db().space().tracking().stop(tracker);
        }
    }
}

/// The options of `CLIENT TRACKING`, as far as they can be told by themselves.
fn read(args: &mut Args<'_>, shared: &Shared) -> Result<Options, ErrorReply> {
    let mut options = Options::default();
    while let Some(option) = args.take() {
        match option {
            option if is(option, "REDIRECT") && !args.is_empty() => {
                let id = args.next()?;
                if options.redirect.is_some() {
                    let error = "ERR A client can only redirect to a single other client";
                    return Err(ErrorReply::known(error));
                }
                let id = number::parse_i64(id).ok_or(ErrorReply::NOT_AN_INTEGER)?;
                let client = shared.clients.find(id);
                let error = "ERR The client ID you want redirect to does not exist";
                options.redirect = Some(Arc::clone(&client.ok_or(ErrorReply::known(error))?.ear));
            }
            option if is(option, "BCAST") => options.broadcast = true,
            option if is(option, "OPTIN") => options.opt_in = true,
            option if is(option, "OPTOUT") => options.opt_out = true,
            option if is(option, "NOLOOP") => options.no_loop = true,
            option if is(option, "PREFIX") && !args.is_empty() => options.prefixes.push(args.next()?.clone()),
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    Ok(options)
}

fn tracking(call: &mut Call<'_>) -> Answer {
    let switch = call.args.next()?;
    let mut args = call.args;
    let mut options = read(&mut args, call.shared())?;
    if is(switch, "OFF") {
        call.session.stop_tracking();
        return Ok(Reply::OK);
    }
    if !is(switch, "ON") {
        return Err(ErrorReply::SYNTAX);
    }
    let tracker = Arc::clone(call.session.client.tracker());
    let before = tracker.is_on().then(|| tracker.options());
    check(&options, before.as_ref())?;
    if options.broadcast {
        options.prefixes = prefixes(options.prefixes, before)?;
    }
    call.space().tracking().start(&tracker, options);
    Ok(Reply::OK)
}

/// Whether the options go together, and with those before.
fn check(options: &Options, before: Option<&Options>) -> Result<(), ErrorReply> {
    let switches = |what: &str| {
        ErrorReply::new(format!(
            "ERR You can't switch {what} before disabling tracking for this client, and then re-enabling it with a \
             different mode."
        ))
    };
    if !options.broadcast && !options.prefixes.is_empty() {
        return Err(ErrorReply::known("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if before.is_some_and(|before| before.broadcast != options.broadcast) {
        return Err(switches("BCAST mode on/off"));
    }
    if options.broadcast && (options.opt_in || options.opt_out) {
        return Err(ErrorReply::known("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if options.opt_in && options.opt_out {
        return Err(ErrorReply::known("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    let other = |before: &Options| options.opt_in && before.opt_out || options.opt_out && before.opt_in;
    if before.is_some_and(other) {
        return Err(switches("OPTIN/OPTOUT mode"));
    }
    Ok(())
}

/// The prefixes together with those before; none may begin with another, so that nothing is told twice.
fn prefixes(new: Vec<Bytes>, before: Option<Options>) -> Result<Vec<Bytes>, ErrorReply> {
    let mut all = before.map(|before| before.prefixes).unwrap_or_default();
    let overlap = |a: &Bytes, b: &Bytes| a.starts_with(b) || b.starts_with(a);
    let error = |prefix: &Bytes, which: &str, other: &Bytes| {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        ErrorReply::new(format!(
            "ERR Prefix '{}' overlaps with {which} prefix '{}'. Prefixes for a single client must not overlap.",
            text(prefix),
            text(other)
        ))
    };
    for (at, prefix) in new.iter().enumerate() {
        if let Some(other) = all.iter().find(|other| overlap(prefix, other)) {
            return Err(error(prefix, "an existing", other));
        }
        if let Some(other) = new[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return Err(error(prefix, "another provided", other));
        }
    }
    // Without any, all keys are meant.
    let every = if new.is_empty() { Some(Bytes::new()) } else { None };
    all.extend(new.into_iter().chain(every));
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn caching(call: &mut Call<'_>) -> Answer {
    let switch = call.args.next()?;
    let tracker = call.session.client.known_tracker().filter(|tracker| tracker.is_on());
    let options = tracker.map(|tracker| tracker.options()).ok_or(ErrorReply::known(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))?;
    let is_right = match switch {
        switch if is(switch, "YES") => options.opt_in,
        switch if is(switch, "NO") => options.opt_out,
        _ => return Err(ErrorReply::SYNTAX),
    };
    if !is_right {
        let mode = if is(switch, "YES") { ("YES", "OPTIN") } else { ("NO", "OPTOUT") };
        let error = format!(
            "ERR CLIENT CACHING {} is only valid when tracking is enabled in {} mode.",
            mode.0, mode.1
        );
        return Err(ErrorReply::new(error));
    }
    call.session.caching = true;
    Ok(Reply::OK)
}

fn redirect(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Integer(call.session.client.redirect()))
}

fn info(call: &mut Call<'_>) -> Answer {
    let tracker = call.session.client.known_tracker().filter(|tracker| tracker.is_on());
    let options = tracker.map(|tracker| tracker.options()).unwrap_or_default();
    let caching = call.session.caching;
    let flags = [
        (tracker.is_none(), "off"),
        (tracker.is_some(), "on"),
        (options.broadcast, "bcast"),
        (options.opt_in, "optin"),
        (options.opt_in && caching, "caching-yes"),
        (options.opt_out, "optout"),
        (options.opt_out && caching, "caching-no"),
        (options.no_loop, "noloop"),
        (tracker.is_some_and(|tracker| tracker.is_broken()), "broken_redirect"),
    ];
    let flags = flags.into_iter().filter(|(has, _)| *has).map(|(_, flag)| Reply::text(flag)).collect();
    Ok(Reply::Map(vec![
        (Reply::text("flags"), Reply::Set(flags)),
        (Reply::text("redirect"), Reply::Integer(call.session.client.redirect())),
        (Reply::text("prefixes"), Reply::bulks(options.prefixes)),
    ]))
}
