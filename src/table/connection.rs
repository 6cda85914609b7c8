//! PING, ECHO, SELECT, QUIT, RESET, HELLO, AUTH.

use super::args::is;
use super::call::{Answer, Call};
use super::row::flag::{ALLOW_BUSY, FAST, LISTENS, LOADING, NO_AUTH, NOSCRIPT, RUNS_IN_MULTI, STALE};
use super::row::{Compat, Keys, Row, row};
use super::{client, config};
use crate::Error;
use crate::reply::{ErrorReply, Reply};
use crate::resp::Protocol;
use crate::text::number;

const HANDSHAKE: u32 = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY;

pub(super) const ROWS: &[Row] = &[
    row("auth", -2, HANDSHAKE, Keys::NONE, auth),
    row("echo", 2, LOADING | STALE | FAST, Keys::NONE, echo),
    row("hello", -1, HANDSHAKE, Keys::NONE, hello).since(6, 0),
    row("ping", -1, FAST | LISTENS, Keys::NONE, ping),
    row("quit", -1, HANDSHAKE | RUNS_IN_MULTI | LISTENS, Keys::NONE, quit),
    row("reset", 1, HANDSHAKE | RUNS_IN_MULTI | LISTENS, Keys::NONE, reset).since(6, 2),
    row("select", 2, LOADING | STALE | FAST, Keys::NONE, select),
];

const WRONG_PASSWORD: ErrorReply =
    ErrorReply::known("WRONGPASS invalid username-password pair or user is disabled.");

fn ping(call: &mut Call<'_>) -> Answer {
    // A client of RESP2 that listens to channels takes every reply for a message.
    let listens = call.session.protocol == Protocol::Resp2 && call.session.subscriptions() > 0;
    match call.args.take_rest() {
        [] if listens => Ok(Reply::Array(vec![Reply::text("pong"), Reply::text("")])),
        [text] if listens => Ok(Reply::Array(vec![Reply::text("pong"), Reply::Bulk(text.clone())])),
        [] => Ok(Reply::Status("PONG".into())),
        [text] => Ok(Reply::Bulk(text.clone())),
        _ => Err(ErrorReply::known("ERR wrong number of arguments for 'ping' command")),
    }
}

fn echo(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Bulk(call.args.next()?.clone()))
}

fn select(call: &mut Call<'_>) -> Answer {
    let index = call.args.integer()?;
    if i32::try_from(index).is_err() {
        return Err(ErrorReply::known(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    call.session.select(u16::try_from(index).map_err(|_| Error::NoSuchDatabase)?)?;
    Ok(Reply::OK)
}

fn quit(call: &mut Call<'_>) -> Answer {
    call.session.is_over = true;
    Ok(Reply::OK)
}

fn reset(call: &mut Call<'_>) -> Answer {
    call.session.reset()?;
    Ok(Reply::Status("RESET".into()))
}

fn auth(call: &mut Call<'_>) -> Answer {
    match call.args.take_rest() {
        [_] if call.shared().users.default_takes_any() => Err(ErrorReply::known(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )),
        [password] => log_in(call, b"default", password),
        [user, password] => log_in(call, user, password),
        _ => Err(ErrorReply::SYNTAX),
    }
    .map(|()| Reply::OK)
}

fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), ErrorReply> {
    let Some(account) = call.shared().users.log_in(user, password) else {
        call.session.log_stranger(call.said, user);
        return Err(WRONG_PASSWORD);
    };
    call.session.become_user(Some(account));
    Ok(())
}

fn hello(call: &mut Call<'_>) -> Answer {
    let protocol = call.args.take().map(|version| protocol(version)).transpose()?;
    // Redis 7.0 does what the options say one by one, later ones look at all of them first.
    let at_once = call.compat() == Compat::Redis70;
    let (mut login, mut name) = (None, None);
    while let Some(option) = call.args.take() {
        let values = call.args.rest();
        if let (true, [user, password, ..]) = (is(option, "AUTH"), values) {
            call.args.take_many(2)?;
            if at_once {
                log_in(call, user, password)?;
            }
            login = Some((user, password));
        } else if let (true, [wanted, ..]) = (is(option, "SETNAME"), values) {
            call.args.next()?;
            client::check_name(wanted)?;
            if at_once {
                call.session.client.note(|facts| facts.name = wanted.clone());
            }
            name = Some(wanted);
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(ErrorReply::new(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = login {
        log_in(call, user, password)?;
    }
    if !call.session.may_call() {
        return Err(ErrorReply::known(if at_once { UNKNOWN_70 } else { UNKNOWN }));
    }
    if let Some(name) = name {
        call.session.client.note(|facts| facts.name = name.clone());
    }
    if let Some(protocol) = protocol {
        call.session.protocol = protocol;
    }
    Ok(introduction(call))
}

const UNKNOWN_70: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
     the same time";
const UNKNOWN: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO \
     <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol \
     version at the same time";

fn protocol(version: &[u8]) -> Result<Protocol, ErrorReply> {
    match number::parse_i64(version) {
        None => Err(ErrorReply::known("ERR Protocol version is not an integer or out of range")),
        Some(2) => Ok(Protocol::Resp2),
        Some(3) => Ok(Protocol::Resp3),
        Some(_) => Err(ErrorReply::known("NOPROTO unsupported protocol version")),
    }
}

/// What the server says of itself.
fn introduction(call: &Call<'_>) -> Reply {
    let id = i64::try_from(call.session.client.id).unwrap_or(i64::MAX);
    let zone = (call.compat() == Compat::Valkey9).then(|| config::value(call.space(), "availability-zone"));
    let zone = zone.filter(|zone| !zone.is_empty()).map(|zone| ("availability_zone", Reply::Bulk(zone)));
    let facts = [
        ("server", Reply::text(call.compat().server())),
        ("version", Reply::text(call.compat().version())),
        ("proto", Reply::Integer(call.session.protocol.number().into())),
        ("id", Reply::Integer(id)),
        ("mode", Reply::text("standalone")),
        ("role", Reply::text("master")),
        ("modules", Reply::Array(Vec::new())),
    ];
    Reply::Map(facts.into_iter().chain(zone).map(|(name, fact)| (Reply::text(name), fact)).collect())
}
