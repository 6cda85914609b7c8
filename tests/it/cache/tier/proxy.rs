//! What stands between a tier and its Redis, or in its stead.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;

/// Stands between a client and a server, and can cut what goes through.
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<Door>,
}

#[derive(Default)]
struct Door {
    is_shut: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
    /// Every second connection, of which a tier's listens, hears nothing while this is so.
    is_deaf: Mutex<bool>,
    hears: Condvar,
}

impl Proxy {
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy { address: listener.local_addr().unwrap(), state: Arc::default() };
        let door = Arc::clone(&proxy.state);
        // It ends with the process, or with the proxy's last connection.
        thread::spawn(move || {
            let mut number = 0;
            for client in listener.incoming().map_while(Result::ok) {
                if Arc::strong_count(&door) == 1 {
                    return;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                let mut streams = door.streams.lock().unwrap();
                if door.is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                number += 1;
                let ways = [(&client, &server, false), (&server, &client, number % 2 == 0)];
                for (from, to, may_be_held) in ways {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    streams.push(from.try_clone().unwrap());
                    let door = Arc::downgrade(&door);
                    thread::spawn(move || copy(from, to, may_be_held.then_some(door)));
                }
            }
        });
        proxy
    }

    pub fn shut(&self) {
        let mut streams = self.state.streams.lock().unwrap();
        self.state.is_shut.store(true, Ordering::SeqCst);
        streams.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    pub fn open(&self) {
        self.state.is_shut.store(false, Ordering::SeqCst);
    }

    pub fn deafen(&self, is_deaf: bool) {
        *self.state.is_deaf.lock().unwrap() = is_deaf;
        self.state.hears.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.deafen(false);
        self.shut();
        self.state = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, held: Option<Weak<Door>>) {
    let mut bytes = [0; 8192];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if let Some(door) = held.as_ref().and_then(Weak::upgrade) {
            let deaf = door.is_deaf.lock().unwrap();
            drop(door.hears.wait_while(deaf, |is_deaf| *is_deaf).unwrap());
        }
        if to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Accepts, and never says a word.
pub struct Silent {
    pub address: SocketAddr,
    _listener: TcpListener,
}

impl Silent {
    pub fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Silent { address: listener.local_addr().unwrap(), _listener: listener }
    }
}
