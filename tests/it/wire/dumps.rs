//! DUMP and RESTORE, with payloads that are whole, damaged, or of another version.

use larder::{Compat, Reply, Store};

use super::{Words, compare, fill, word, words};
use crate::differential::chance::Chance;

#[test]
fn payloads_are_taken_and_refused_as_redis_does() {
    compare("dumps", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(12) {
        0..=5 => restore(chance, key),
        6 => words![chance.pick(&["DUMP", "dump"]), key],
        7 => words!["TYPE", key],
        8 => words!["PEXPIRETIME", key],
        9 => words!["GET", key],
        10 => words![chance.pick(&["DUMP", "RESTORE", "RESTORE-ASKING"]), key, chance.value()],
        _ => fill::draw(chance),
    }
}

fn restore(chance: &mut Chance, key: &[u8]) -> Words {
    let ttl = match chance.below(6) {
        0..=2 => word("0"),
        3 => word(&chance.pick(&["-1", "x", "1.5", "", "9223372036854775807"])),
        4 => word(&chance.ttl()),
        // Not one that comes while the test runs.
        _ => word(&chance.time().max(900_000)),
    };
    let name = if chance.one_in(9) { "restore-asking" } else { "RESTORE" };
    let options = chance.many(0, 3, |chance| match chance.below(9) {
        0..=4 => words!["REPLACE"],
        5 => words!["absttl"],
        6 => words!["IDLETIME", chance.pick(&["0", "7", "-1", "x"])],
        7 => words!["FREQ", chance.pick(&["0", "255", "256", "-1", "x"])],
        _ => words![chance.pick(&["FREQ", "IDLETIME", "NX"])],
    });
    [words![name, key, ttl, payload(chance)], options.concat()].concat()
}

/// One that all versions take, most often.
fn payload(chance: &mut Chance) -> Vec<u8> {
    const BODIES: [&[u8]; 16] = [
        b"\x00\x05hello",
        b"\x00\xc1\x2c\x01 and what is behind it",
        b"\x00\xc3\x0b\x40\x78\x03abca\xe0\x69\x02\x01bc",
        b"\x01\x02\x01a\xc0\x07",
        b"\x02\x02\x01a\x01b",
        b"\x03\x02\x01a\xfe\x01b\x031.5",
        b"\x04\x01\x01a\x01b",
        b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f",
        b"\x0b\x0a\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00",
        b"\x10\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x07\x01\xff",
        b"\x02\x00",
        b"\x02\x02\x01a\x01a",
        b"\x03\x01\x01a\xfd",
        // Redis would take what is missing from the version behind it, if it were but two bytes.
        b"\x00\x17hello",
        b"\x09",
        b"",
    ];
    let body = match chance.below(4) {
        0 => chance.pick(&BODIES),
        _ => chance.pick(&BODIES[..10]),
    };
    let version: u16 = if chance.one_in(6) { chance.pick(&[0, 1, 9, 11, 12, 13, 79, 80, 81]) } else { 10 };
    // None has version 0 but by mistake, and Valkey says so.
    let mut payload = [body, &version.max(1).to_le_bytes()].concat();
    payload.extend(checksum(&payload).to_le_bytes());
    if chance.one_in(8) {
        payload.truncate(chance.below(payload.len()));
    }
    payload
}

/// CRC-64 of Jones' polynomial, bit by bit.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc: u64, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 }
        })
    })
}

#[test]
fn a_payload_of_each_server_is_that_servers() {
    let store = Store::new();
    store.insert("greeting", "hello").unwrap();
    // As Redis 7.0.15, Redis 8.2.3 and Valkey 9.1.2 write it.
    let written = [
        (Compat::Redis70, &b"\x00\x05hello\n\x00cr\xdfve4 \n"[..]),
        (Compat::Redis82, b"\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC"),
        (Compat::Valkey9, b"\x00\x05helloP\x00\xacX\x16\xe7\xfbfG\xfe"),
    ];
    for (compat, payload) in written {
        let mut session = store.session().compat(compat);
        assert_eq!(session.call(["DUMP", "greeting"]), Reply::Bulk(payload.into()), "{compat:?}");
    }
    let mut session = store.session();
    assert_eq!(session.call(["DUMP", "nothing"]), Reply::Nil);
    session.call(["HSET", "cart", "apple", "3"]);
    session.call(["HEXPIRE", "cart", "60", "FIELDS", "1", "apple"]);
    let Reply::Error(error) = store.session().compat(Compat::Redis72).call(["DUMP", "cart"]) else {
        panic!("7.2 has no such field")
    };
    let text = "ERR the key has a hash with fields that expire, which this version of the server cannot hold";
    assert_eq!(error.to_string(), text);
}
