//! ACL, of a server with the one user `default`, who may do all.

mod sha256;

use super::all;
use super::args::is;
use super::call::{Answer, Call};
use super::command::{self, CATEGORIES, help};
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, container, row};
use crate::reply::{ErrorReply, Reply};

const TELLS: u32 = NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    container("acl").since(6, 0),
    row("acl|cat", -2, TELLS, Keys::NONE, cat).since(6, 0),
    row("acl|genpass", -2, TELLS, Keys::NONE, gen_pass).since(6, 0),
    row("acl|getuser", 3, ADMIN | TELLS, Keys::NONE, get_user).since(6, 0),
    row("acl|help", 2, LOADING | STALE, Keys::NONE, help).since(6, 0),
    row("acl|list", 2, ADMIN | TELLS, Keys::NONE, list).since(6, 0),
    row("acl|users", 2, ADMIN | TELLS, Keys::NONE, users).since(6, 0),
    row("acl|whoami", 2, TELLS, Keys::NONE, |_| Ok(Reply::text("default"))).since(6, 0),
];

const MOST_BITS: i64 = 4096;

/// The categories, or the commands of one.
fn cat(call: &mut Call<'_>) -> Answer {
    let compat = call.compat();
    match call.args.take_rest() {
        [] => Ok(Reply::Array(CATEGORIES.iter().map(Reply::text).collect())),
        [name] if CATEGORIES.iter().any(|category| is(name, category)) => {
            let is_of =
                |row: &&Row| command::categories(row, compat).iter().any(|category| is(name, category));
            let rows = all().filter(|row| row.is_in(compat)).filter(is_of);
            Ok(Reply::Array(rows.map(|row| Reply::text(row.name)).collect()))
        }
        [name] => {
            let name = String::from_utf8_lossy(name);
            Err(ErrorReply::new(format!("ERR Unknown category '{name}'")))
        }
        _ => Err(call.wrong_subcommand()),
    }
}

fn users(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(vec![Reply::text("default")]))
}

/// The flags of the user, and the hashes of the passwords.
fn flags(call: &Call<'_>) -> (Vec<&'static str>, Vec<String>) {
    let password = call.shared().settings.password();
    let mut flags = vec!["on"];
    if password.is_none() {
        flags.push("nopass");
    }
    if !matches!(call.compat(), Compat::Redis70 | Compat::Valkey9) {
        flags.push("sanitize-payload");
    }
    (flags, password.iter().map(|password| sha256::hex(password)).collect())
}

fn list(call: &mut Call<'_>) -> Answer {
    let (flags, hashes) = flags(call);
    let hashes: String = hashes.iter().map(|hash| format!("#{hash} ")).collect();
    let line = format!("user default {} {hashes}~* &* +@all", flags.join(" "));
    Ok(Reply::Array(vec![Reply::text(line)]))
}

fn get_user(call: &mut Call<'_>) -> Answer {
    if call.args.next()? != b"default".as_slice() {
        return Ok(Reply::Nil);
    }
    let (flags, hashes) = flags(call);
    let texts = |texts: &[&str]| texts.iter().map(Reply::text).collect::<Vec<_>>();
    let mut facts = vec![
        ("flags", Reply::Set(texts(&flags))),
        ("passwords", Reply::Array(hashes.iter().map(Reply::text).collect())),
        ("commands", Reply::text("+@all")),
        ("keys", Reply::text("~*")),
        ("channels", Reply::text("&*")),
        ("selectors", Reply::Array(Vec::new())),
    ];
    if call.compat() == Compat::Valkey9 {
        facts.insert(5, ("databases", Reply::text("alldbs")));
    }
    Ok(Reply::Map(facts.into_iter().map(|(name, fact)| (Reply::text(name), fact)).collect()))
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
