//! What a test's faults do to a connection.

use std::future::poll_fn;

use tokio::io::AsyncReadExt;

use super::connection::{Connection, Gone};
use crate::reply::Reply;
use crate::table::{Ahead, Behind, End, Loss};
use crate::waiting::reach;
use crate::{Bytes, Session};

/// Ends when the client is killed, or does not keep up.
async fn is_cut(session: &Session) {
    poll_fn(|context| session.mail().poll_over(u64::MAX, context)).await;
}

impl Connection<'_> {
    /// What comes before a command is carried out.
    ///
    /// # Errors
    /// [`Gone`] if it is not to be, for the connection is closed.
    pub(super) async fn endure(&mut self, words: &[Bytes]) -> Result<(), Gone> {
        // A closure may take its time, or drop the server: others serve the clients meanwhile.
        let ahead = match self.session.asks_closures() {
            true => tokio::task::block_in_place(|| self.session.receive(words)),
            false => self.session.receive(words),
        };
        let Some(Ahead { until, loss }) = ahead else { return Ok(()) };
        self.pass_until(until).await?;
        match loss {
            None => Ok(()),
            Some(Loss::Silence) => {
                self.flush().await?;
                Err(self.say_nothing().await)
            }
            Some(_) => self.close().await,
        }
    }

    /// What becomes of a reply; gives whether it is to be sent.
    ///
    /// # Errors
    /// [`Gone`] if the connection is closed.
    pub(super) async fn endure_reply(&mut self, reply: &Reply) -> Result<bool, Gone> {
        let Some(Behind { until, end }) = self.session.reply(reply) else { return Ok(true) };
        self.pass_until(until).await?;
        match end {
            None => Ok(true),
            Some(End::Drop) if self.session.is_over() => self.close().await,
            Some(End::Drop) => Ok(false),
            Some(End::Close) => self.close().await,
            Some(End::Cut(bytes)) => {
                if self.session.sends_reply() {
                    let reply = self.session.encode(reply);
                    self.out.extend_from_slice(&reply[..bytes.min(reply.len())]);
                }
                self.close().await
            }
        }
    }

    /// Waits for a moment of the store's clock. A client that leaves meanwhile has its command carried out all the
    /// same, as by any server that is slow to come to it.
    async fn pass_until(&mut self, until: u64) -> Result<(), Gone> {
        if until == 0 {
            return Ok(());
        }
        self.flush().await?;
        let clock = self.shared.store.space().clock();
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|stopped| *stopped) => Err(Gone),
            () = is_cut(&self.session) => Err(Gone),
            () = reach(clock, until) => Ok(()),
        }
    }

    /// Sends what is to be sent, and no more.
    async fn close<T>(&mut self) -> Result<T, Gone> {
        self.flush().await?;
        Err(Gone)
    }

    /// Listens until the client leaves, or is killed.
    async fn say_nothing(&mut self) -> Gone {
        let mut bytes = [0; 1 << 10];
        loop {
            let read = tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => return Gone,
                () = is_cut(&self.session) => return Gone,
                read = self.stream.read(&mut bytes) => read,
            };
            if !matches!(read, Ok(1..)) {
                return Gone;
            }
        }
    }
}
