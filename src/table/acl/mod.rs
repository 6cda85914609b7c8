//! ACL: users, what they may do, and what was refused.

mod catalog;
mod claim;
mod commands;
mod file;
mod log;
mod rules;
mod selector;
mod sha256;
mod users;

use std::sync::Arc;

use super::args::is;
use super::call::{Answer, Call};
use super::command::{CATEGORIES, help};
use super::config::value;
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, container, row};
use super::session::Session;
use crate::Bytes;
use crate::keyspace::Keyspace;
use crate::pubsub::Kind;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;

pub(super) use claim::Claim;
pub(super) use file::{load, save};
pub(super) use log::Reason;
use log::Refused;
use rules::{Denied, Lack, Refusal};
pub(crate) use users::{Account, Users};
#[cfg(feature = "server")]
pub(crate) use {
    file::read_at_start as load_users, users::check as check_user, users::check_all as check_users,
    users::declare as declare_user,
};

const TELLS: u32 = NOSCRIPT | LOADING | STALE;
const RULES: u32 = ADMIN | TELLS;

pub(super) const ROWS: &[Row] = &[
    container("acl").since(6, 0),
    row("acl|cat", -2, TELLS, Keys::NONE, cat).since(6, 0),
    row("acl|deluser", -3, RULES, Keys::NONE, delete_users).since(6, 0),
    row("acl|dryrun", -4, RULES, Keys::NONE, dry_run).since(7, 0),
    row("acl|genpass", -2, TELLS, Keys::NONE, gen_pass).since(6, 0),
    row("acl|getuser", 3, RULES, Keys::NONE, get_user).since(6, 0),
    row("acl|help", 2, LOADING | STALE, Keys::NONE, help).since(6, 0),
    row("acl|list", 2, RULES, Keys::NONE, list).since(6, 0),
    row("acl|load", 2, RULES, Keys::NONE, load).since(6, 0),
    row("acl|log", -2, RULES, Keys::NONE, log).since(6, 0),
    row("acl|save", 2, RULES, Keys::NONE, save).since(6, 0),
    row("acl|setuser", -3, RULES, Keys::NONE, set_user).since(6, 0),
    row("acl|users", 2, RULES, Keys::NONE, users).since(6, 0),
    row("acl|whoami", 2, TELLS, Keys::NONE, who_am_i).since(6, 0),
];

const MOST_BITS: i64 = 4096;

/// How many entries ACL LOG tells if nothing is said.
const TOLD: usize = 10;

/// The categories, or the commands of one.
fn cat(call: &mut Call<'_>) -> Answer {
    let compat = call.compat();
    match call.args.take_rest() {
        [] => Ok(Reply::Array(CATEGORIES.iter().map(Reply::text).collect())),
        [name] => {
            let unknown = || ErrorReply::of_bytes([b"ERR Unknown category '", &name[..], b"'"].concat());
            let category = catalog::category(name).ok_or_else(unknown)?;
            let rows = catalog::of_category(category, compat).filter(|row| row.is_in(compat));
            let rows = rows.filter(|row| super::find(row.name.as_bytes()).is_some());
            Ok(Reply::Array(rows.map(|row| Reply::text(row.name)).collect()))
        }
        _ => Err(call.wrong_subcommand()),
    }
}

fn who_am_i(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Bulk(call.session.account.name().clone()))
}

fn users(call: &mut Call<'_>) -> Answer {
    let names = call.shared().users.all().into_iter().map(|account| account.name().clone());
    Ok(Reply::bulks(names))
}

fn list(call: &mut Call<'_>) -> Answer {
    let lines = call.shared().users.lines(call.compat());
    Ok(Reply::bulks(lines.into_iter().map(Bytes::from)))
}

fn get_user(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    let account = call.shared().users.find(name);
    Ok(account.map_or(Reply::Nil, |account| account.rules().facts(call.compat())))
}

/// ACL SETUSER: all of the rules, or none. Who listens to channels that are not allowed any more is disconnected.
fn set_user(call: &mut Call<'_>) -> Answer {
    let (name, words) = (call.args.next()?, call.args.take_rest());
    rules::check_name(name)?;
    let words = rules::joined(words, call.compat()).map_err(|word| {
        let text = [b"ERR Unmatched parenthesis in acl selector starting at '", &word[..], b"'."];
        ErrorReply::of_bytes(text.concat())
    })?;
    let all_channels = all_channels(call.space());
    let changed = call.shared().users.change(name, &words, all_channels, call.compat());
    let account = changed.map_err(|(word, why)| {
        let text = [b"ERR Error in ACL SETUSER modifier '", &word[..], b"': ", why.as_bytes()];
        ErrorReply::of_bytes(text.concat())
    })?;
    let rules = account.rules();
    call.session.end_those(|client| {
        let names = |kind| client.ear.mail.names(kind);
        let channels = || [names(Kind::Channel), names(Kind::Shard)].concat();
        client.is_of(&account) && !rules.allow_channels(&channels(), &names(Kind::Pattern))
    });
    Ok(Reply::OK)
}

/// Whether new users may use all channels.
fn all_channels(space: &Keyspace) -> bool {
    *value(space, "acl-pubsub-default") == *b"allchannels"
}

/// ACL DELUSER: the connections of those users are closed.
fn delete_users(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    if names.iter().any(|name| *name == *users::DEFAULT) {
        return Err(ErrorReply::known("ERR The 'default' user cannot be removed"));
    }
    let gone: Vec<_> = names.iter().filter_map(|name| call.shared().users.remove(name)).collect();
    call.session.end_sessions_of(&gone);
    Ok(Reply::count(gone.len()))
}

impl Session {
    /// Closes the connections of these users, who are no more.
    fn end_sessions_of(&mut self, gone: &[Arc<Account>]) {
        self.end_those(|client| gone.iter().any(|account| client.is_of(account)));
        if gone.iter().any(|account| Arc::ptr_eq(account, &self.account)) {
            self.become_user(None);
        }
    }
}

/// Whether a user may call a command, which is not carried out.
fn dry_run(call: &mut Call<'_>) -> Answer {
    let (name, words) = (call.args.next()?, call.args.take_rest());
    let text = |parts: [&[u8]; 3]| ErrorReply::of_bytes(parts.concat());
    let Some(account) = call.shared().users.find(name) else {
        return Err(text([b"ERR User '", name, b"' not found"]));
    };
    let row = match call.session.look_up(words) {
        Err(error) if error.as_bytes().starts_with(b"ERR unknown") => {
            let command = words.first().map_or(&[][..], |word| word);
            return Err(text([b"ERR Command '", command, b"' not found"]));
        }
        found => found?,
    };
    let (compat, db) = (call.compat(), call.db().index());
    match account.rules().check(row, words, compat, db) {
        Ok(()) => Ok(Reply::OK),
        Err((lack, at)) => {
            let word = words.get(at).map_or(&[][..], |word| word);
            let user = match compat {
                Compat::Redis70 => b"This user".to_vec(),
                _ => [b"User ", &account.name()[..]].concat(),
            };
            let lacks: [&[u8]; 3] = match lack {
                Lack::Command => [b"run the '", row.name.as_bytes(), b"' command"],
                Lack::Key => [b"access the '", word, b"' key"],
                Lack::Channel => [b"access the '", word, b"' channel"],
                Lack::Database => [b"access database ", word, b""],
            };
            Ok(Reply::text([&user[..], b" has no permissions to ", &lacks.concat()].concat()))
        }
    }
}

/// ACL LOG: the latest entries, or none any more.
fn log(call: &mut Call<'_>) -> Answer {
    let (users, compat) = (&call.shared().users, call.compat());
    let count = match call.args.rest() {
        [] => TOLD,
        [word] if is(word, "RESET") => {
            users.forget_refused();
            return Ok(Reply::OK);
        }
        [count] => {
            let count = number::parse_i64(count).ok_or(ErrorReply::NOT_AN_INTEGER)?;
            usize::try_from(count).unwrap_or(0)
        }
        _ => return Err(call.wrong_subcommand()),
    };
    Ok(users.refused(count, call.space().clock().now(), compat))
}

/// Where a command was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By itself, or as it was queued.
    Call,
    Exec,
    #[cfg(feature = "lua")]
    Script,
}

impl Session {
    /// Whether its user may call a command now. That some user may not do all is the rare case.
    ///
    /// # Errors
    /// Redis's, which is noted in the log too.
    #[cold]
    pub(super) fn check_rules(&self, row: &Row, words: &[Bytes], place: Place) -> Result<(), ErrorReply> {
        let checked = self.account.rules().check(row, words, self.compat, self.db().index());
        checked.map_err(|denied| {
            self.log_denied(row, words, denied, place);
            ErrorReply::new(text(denied.0, row, &self.account, self.compat, place))
        })
    }

    /// The same for who only asks.
    #[cfg(feature = "lua")]
    pub(crate) fn may(&self, words: &[Bytes]) -> bool {
        let checked = self.look_up(words).map(|row| {
            let rules = self.account.rules();
            rules.check(row, words, self.compat, self.db().index()).is_ok()
        });
        // A command with the wrong number of words is no matter of rights.
        checked.unwrap_or(true)
    }

    /// Whether its user may read any key, with a command that reads those that patterns name.
    pub(super) fn may_read_all(&self, row: &Row) -> bool {
        self.account.is_unrestricted() || self.account.rules().allows_reading_all(row)
    }

    /// Notes that somebody gave a wrong password; `said` is the command as it was written.
    pub(super) fn log_stranger(&self, said: &[u8], user: &[u8]) {
        self.log_refused(Reason::Auth, said.into(), user.into(), Place::Call, "auth");
    }

    /// The error for who has lost the right to what it waited for, and the command's row.
    pub(super) fn denied(&self, claim: &Claim) -> Option<(&'static Row, ErrorReply)> {
        let (row, denied) = (claim.row(), claim.denied()?);
        self.log_denied(row, claim.words(), denied, Place::Call);
        Some((row, ErrorReply::new(text(denied.0, row, &self.account, self.compat, Place::Call))))
    }

    fn log_denied(&self, row: &Row, words: &[Bytes], (lack, at): Denied, place: Place) {
        let reason = match lack {
            Lack::Command => Reason::Command,
            Lack::Key => Reason::Key,
            Lack::Channel => Reason::Channel,
            Lack::Database => Reason::Database,
        };
        let object = match lack {
            Lack::Command => Bytes::from(row.name),
            // It is the one that is selected.
            Lack::Database if at == 0 => Bytes::from(row.name),
            _ => words.get(at).cloned().unwrap_or_default(),
        };
        self.log_refused(reason, object, self.account.name().clone(), place, row.name);
    }

    fn log_refused(&self, reason: Reason, object: Bytes, user: Bytes, place: Place, command: &str) {
        let space = self.db().space();
        let longest = number::parse_i64(&value(space, "acllog-max-len"));
        let longest = longest.and_then(|longest| usize::try_from(longest).ok()).unwrap_or(0);
        let is_multi = self.queue.is_some() || self.db().in_transaction();
        let context = match place {
            #[cfg(feature = "lua")]
            Place::Script => "lua",
            _ if is_multi => "multi",
            _ => "toplevel",
        };
        let clock = space.clock();
        let facts = self.facts(super::find(command.as_bytes()).map_or("NULL", |row| row.name));
        let client = self.client.line(&facts, clock.now(), self.compat).trim_end().to_owned();
        self.shared().users.log(Refused { reason, context, object, user, client }, clock, longest);
    }
}

/// How a user is told what is missing.
fn text(lack: Lack, row: &Row, account: &Account, compat: Compat, place: Place) -> String {
    let is_old = compat == Compat::Redis70;
    let old = "this user has no permissions to";
    let lacks = match (lack, is_old) {
        (Lack::Command, true) => format!("{old} run the '{}' command", row.name),
        (Lack::Command, false) => {
            let user = String::from_utf8_lossy(account.name());
            format!("User {user} has no permissions to run the '{}' command", row.name)
        }
        (Lack::Key, true) => format!("{old} access one of the keys used as arguments"),
        (Lack::Key, false) => "No permissions to access a key".into(),
        (Lack::Channel, true) => format!("{old} access one of the channels used as arguments"),
        (Lack::Channel, false) => "No permissions to access a channel".into(),
        (Lack::Database, _) => "No permissions to access database".into(),
    };
    match place {
        Place::Call => format!("NOPERM {lacks}"),
        Place::Exec => {
            let why = match lack {
                Lack::Command => "no permission to execute the command or subcommand",
                Lack::Key => "no permission to touch the specified keys",
                Lack::Channel => "no permission to access one of the channels used as arguments",
                Lack::Database => "no permission",
            };
            format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {why}"
            )
        }
        #[cfg(feature = "lua")]
        Place::Script if is_old => {
            let can_not = match lack {
                Lack::Command => "run this command or subcommand",
                Lack::Key => "access at least one of the keys mentioned in the command arguments",
                _ => "publish to the channel mentioned in the command",
            };
            format!("ERR The user executing the script can't {can_not}")
        }
        #[cfg(feature = "lua")]
        Place::Script => format!("ERR ACL failure in script: {lacks}"),
    }
}

/// A random password of so many bits, 256 if nothing is said.
fn gen_pass(call: &mut Call<'_>) -> Answer {
    if call.args.len() > 1 {
        return Err(call.wrong_subcommand());
    }
    let bits = if call.args.is_empty() { 256 } else { call.args.integer()? };
    let digits = (1..=MOST_BITS).contains(&bits).then(|| (bits as usize).div_ceil(4));
    let digits = digits.ok_or(ErrorReply::known(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
    ))?;
    Ok(Reply::text(call.space().random_hex(digits)))
}
