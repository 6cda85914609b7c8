//! As much of a Redis client as the comparison needs: commands out, replies in (RESP2).

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::outcome::Outcome;

/// A command.
#[derive(Clone, Debug, Default)]
pub struct Cmd {
    /// Its name, and its arguments.
    pub args: Vec<Vec<u8>>,
}

pub fn cmd(name: &str) -> Cmd {
    Cmd { args: vec![name.into()] }
}

impl Cmd {
    pub fn arg(&mut self, arg: impl Argument) -> &mut Self {
        arg.add_to(&mut self.args);
        self
    }

    /// The command by value, at the end of a chain.
    pub fn take(&mut self) -> Cmd {
        std::mem::take(self)
    }
}

/// Something that becomes one argument, or several.
pub trait Argument {
    fn add_to(&self, args: &mut Vec<Vec<u8>>);
}

impl Argument for [u8] {
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        args.push(self.to_vec());
    }
}

macro_rules! text_arguments {
    ($($text:ty)*) => {$(
        impl Argument for $text {
            fn add_to(&self, args: &mut Vec<Vec<u8>>) {
                args.push(self.to_string().into());
            }
        }
    )*};
}

// Not u8, so that bytes are no list of numbers.
text_arguments!(str String i32 i64 u16 u32 u64 usize);

impl<A: Argument + ?Sized> Argument for &A {
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        (**self).add_to(args);
    }
}

impl<A: Argument> Argument for [A] {
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        self.iter().for_each(|arg| arg.add_to(args));
    }
}

impl<A> Argument for Vec<A>
where
    [A]: Argument,
{
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        self[..].add_to(args);
    }
}

/// An option that is there or not.
impl<A: Argument> Argument for Option<A> {
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        self.iter().for_each(|arg| arg.add_to(args));
    }
}

impl<A: Argument, B: Argument> Argument for (A, B) {
    fn add_to(&self, args: &mut Vec<Vec<u8>>) {
        self.0.add_to(args);
        self.1.add_to(args);
    }
}

/// A connection to a server on the loopback.
pub struct Connection {
    input: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(Connection { input: BufReader::new(stream) })
    }

    pub fn ask(&mut self, command: &Cmd) -> Result<Outcome> {
        let mut request = format!("*{}\r\n", command.args.len()).into_bytes();
        for arg in &command.args {
            write!(request, "${}\r\n", arg.len())?;
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.input.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Outcome> {
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else { return Err(ErrorKind::UnexpectedEof.into()) };
        let unexpected = || Error::other(format!("not a reply of RESP2: {line:?}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(unexpected)?;
        let number = || rest.parse::<i64>().map_err(|_| unexpected());
        Ok(match (kind, rest) {
            ("+", text) => Outcome::Bytes(text.into()),
            ("-", text) => Outcome::Error(text.to_owned()),
            (":", _) => Outcome::Int(number()?),
            ("$" | "*", "-1") => Outcome::Nil,
            ("$", _) => {
                let mut bytes = vec![0; number()? as usize + 2];
                self.input.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Outcome::Bytes(bytes.into())
            }
            ("*", _) => Outcome::List((0..number()?).map(|_| self.reply()).collect::<Result<_>>()?),
            _ => return Err(unexpected()),
        })
    }
}
