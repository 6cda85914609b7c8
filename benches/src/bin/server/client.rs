//! A client that takes little of the processors: one thread, sockets that block, requests that were encoded beforehand.
//!
//! It goes round its connections, reads what one has been answered, and asks the same again. Of the replies it only
//! counts the ends of their lines: all replies to a command have as many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use larder_benches::servers::Peer;

use crate::Line;

/// So many bytes of replies are read at once, at most.
const BUFFER: usize = 1 << 16;

/// Asks so many times in all, on each connection so many at a time, and gives the requests a second.
pub fn ask(peer: &Peer, line: &Line, requests: usize, connections: usize, pipeline: usize) -> f64 {
    let turns = requests / connections / pipeline;
    let batch = encode(line.command).repeat(pipeline);
    let mut streams: Vec<TcpStream> = (0..connections).map(|_| peer.connect()).collect();
    let mut buffer = vec![0; BUFFER];
    let start = Instant::now();
    streams.iter_mut().for_each(|stream| stream.write_all(&batch).expect("reads"));
    for turn in 1..=turns {
        for stream in &mut streams {
            read(stream, line.ends * pipeline, &mut buffer);
            if turn < turns {
                stream.write_all(&batch).expect("reads");
            }
        }
    }
    (turns * connections * pipeline) as f64 / start.elapsed().as_secs_f64()
}

fn encode(command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    let bulks = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>()).into_bytes()
}

/// Reads so many lines. No reply that is wanted has a minus in it, but an error and one that nothing was found have.
fn read(stream: &mut TcpStream, mut lines: usize, buffer: &mut [u8]) {
    while lines > 0 {
        let length = stream.read(buffer).expect("answers");
        assert!(length > 0, "the server has closed a connection");
        let replies = &buffer[..length];
        assert!(!replies.contains(&b'-'), "{}", String::from_utf8_lossy(replies));
        let ends = replies.iter().filter(|byte| **byte == b'\n').count();
        lines = lines.checked_sub(ends).expect("no more replies than requests");
    }
}
