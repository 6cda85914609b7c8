//! DEBUG PROTOCOL: a reply of each type, for those who write clients.

use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::resp::Protocol;
use crate::table::args::is;
use crate::table::call::Answer;
use crate::table::row::Compat;

const UNKNOWN: ErrorReply = ErrorReply::known(
    "ERR Wrong protocol type name. Please use one of the following: \
     string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
);

/// The one of that name.
#[expect(clippy::approx_constant, reason = "so much of pi is what servers send")]
pub(super) fn sample(kind: &[u8], protocol: Protocol, compat: Compat) -> Answer {
    let numbers = || (0..3).map(Reply::Integer);
    Ok(match kind {
        kind if is(kind, "string") => Reply::text("Hello World"),
        kind if is(kind, "integer") => Reply::Integer(12345),
        kind if is(kind, "double") => Reply::Double(3.141),
        kind if is(kind, "bignum") => Reply::BigNumber(Bytes::from("1234567999999999999999999999999999999")),
        kind if is(kind, "null") => Reply::Nil,
        kind if is(kind, "array") => Reply::Array(numbers().collect()),
        kind if is(kind, "set") => Reply::Set(numbers().collect()),
        kind if is(kind, "map") => {
            Reply::Map(numbers().zip([false, true, false].map(Reply::Boolean)).collect())
        }
        kind if is(kind, "attrib") => {
            let popularity = Reply::Array(vec![Reply::text("key:123"), Reply::Integer(90)]);
            let attributes = vec![(Reply::text("key-popularity"), popularity)];
            Reply::Attribute(attributes, Box::new(Reply::text("Some real reply following the attribute")))
        }
        kind if is(kind, "push") && protocol == Protocol::Resp2 => {
            return Err(ErrorReply::known("ERR RESP2 is not supported by this command"));
        }
        kind if is(kind, "push") => {
            let push = Reply::Push(vec![Reply::text("server-cpu-usage"), Reply::Integer(42)]);
            let reply = Reply::text("Some real reply following the push reply");
            // Later servers put off what comes unasked until the reply has gone.
            Reply::Several(if compat == Compat::Redis70 { vec![push, reply] } else { vec![reply, push] })
        }
        kind if is(kind, "verbatim") => Reply::Verbatim("txt", Bytes::from("This is a verbatim\nstring")),
        kind if is(kind, "true") => Reply::Boolean(true),
        kind if is(kind, "false") => Reply::Boolean(false),
        _ => return Err(UNKNOWN),
    })
}
