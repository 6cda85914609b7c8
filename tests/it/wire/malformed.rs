//! What a server says of bytes that are no request.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use larder::{Protocol, Store};

use super::redis::Redis;
use crate::differential::server::Server;

const CASES: [&[u8]; 48] = [
    b"*x\r\n",
    b"*\r\n",
    b"*2147483647\r\n*\r\n",
    b"*2147483648\r\n",
    b"*-1\r\nPING\r\nQUIT\r\n",
    b"*-99999999999\r\nPING\r\nQUIT\r\n",
    b"*0\r\nPING\r\nQUIT\r\n",
    b"*01\r\n$4\r\nQUIT\r\n",
    b"* 1\r\n",
    b"*+1\r\n",
    b"*1\r\n*1\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$18446744073709551616\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n\xff\r\n",
    b"*1\r\n$4\r\nPINGxxQUIT\r\n",
    b"*1\r\n$4\r\nPING\rxQUIT\r\n",
    b"*1\rx$4\r\nPING\r\nQUIT\r\n",
    b"*x\rx$4\r\nPING\r\nQUIT\r\n",
    b"*1\r\n$4\rxPING\r\nQUIT\r\n",
    b"*1\r\n:4\rxPING\r\nQUIT\r\n",
    b"*0\rxQUIT\r\n",
    b"set 'a\r\n",
    b"ping \"a\"b\r\nQUIT\r\n",
    b"ping 'a'\"b\"c\r\nQUIT\r\n",
    b"ping a\"b\"c'd'\r\nQUIT\r\n",
    b"ping \"a\"'\r\nQUIT\r\n",
    b"ping \"\"\"\"\r\nQUIT\r\n",
    b"\r\n\r\n  \r\nPING\r\nQUIT\r\n",
    // Six bytes are white space between words, and four of them within one.
    b"PING\x0c\r\nQUIT\r\n",
    b"PING\x0b\r\nQUIT\r\n",
    b" \x0b\x0cPING\r\nQUIT\r\n",
    b"\x0c\r\n\x0b\r\nQUIT\r\n",
    b"PING a\x0cb\x0bc\r\nQUIT\r\n",
    b"PING a\tb\r\nQUIT\r\n",
    b"PING a\rb\r\nQUIT\r\n",
    b"PING \x0b a\r\nQUIT\r\n",
    b"PING a \x0c\r\nQUIT\r\n",
    b"PING a\x0b \r\nQUIT\r\n",
    b"PING \x1ca\x85\r\nQUIT\r\n",
    b"PING \"a\"\x0c\r\nQUIT\r\n",
    b"PING 'a'\x0bb\r\nQUIT\r\n",
    b"PING \"a\"\x1c\r\nQUIT\r\n",
    b"PING a\x0c\"b\"\r\nQUIT\r\n",
    b"PING \"a\rb\"\r\nQUIT\r\n",
];

/// All that comes for these bytes until the server closes the connection.
fn told(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(addr).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // It may have closed the connection before it has read all.
    let _ = client.write_all(bytes);
    let mut all = Vec::new();
    // A connection that is closed with bytes unread is reset; one that stays open is a failure.
    if let Err(error) = client.read_to_end(&mut all) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{}", bytes.escape_ascii());
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// But for a zero in the place of a `$`: Redis takes it for the end of what has come, and waits.
#[test]
fn protocol_errors_are_those_of_redis() {
    for server in Server::each() {
        let redis = SocketAddr::from(([127, 0, 0, 1], server.port()));
        let compat = Redis::connect(server.port(), Protocol::Resp2).compat;
        let ours = larder::Server::builder().compat(compat).start(&Store::new()).unwrap();
        for bytes in CASES {
            let bytes_told = [redis, ours.addr()].map(|addr| told(addr, bytes));
            assert_eq!(bytes_told[0], bytes_told[1], "{compat:?}: {}", bytes.escape_ascii());
        }
        for byte in [b'x', b'*'] {
            // As much as Redis reads before it gives up.
            let told = [redis, ours.addr()].map(|addr| told(addr, &[byte; 65 << 10]));
            assert!(told[0].is_empty() || told[0] == told[1], "{compat:?}: {told:?}");
        }
    }
}
