//! What a test's faults do to a connection.

use tokio::io::AsyncReadExt;

use super::connection::{Connection, Gone};
use crate::Bytes;
use crate::reply::Reply;
use crate::table::{Ahead, Behind, End, Loss};
use crate::waiting::reach;

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
        let Some(loss) = loss else { return Ok(()) };
        // What came before it is told.
        self.flush().await?;
        self.session.lose(loss);
        Err(if loss == Loss::Silence { self.say_nothing().await } else { Gone })
    }

    /// What becomes of a reply; gives whether it is to be sent.
    ///
    /// # Errors
    /// [`Gone`] if the connection is closed.
    pub(super) async fn endure_reply(&mut self, reply: &Reply) -> Result<bool, Gone> {
        let Some(Behind { until, end }) = self.session.reply(reply) else { return Ok(true) };
        self.pass_until(until).await?;
        match end {
            None => return Ok(true),
            Some(End::Drop) if !self.session.is_over() => return Ok(false),
            Some(End::Cut(bytes)) if self.session.sends_reply() => {
                let reply = self.session.encode(reply);
                self.out.extend_from_slice(&reply[..bytes.min(reply.len())]);
            }
            _ => {}
        }
        self.flush().await?;
        self.session.end_with(end, reply);
        Err(Gone)
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
            () = self.session.is_cut_off() => Err(Gone),
            () = reach(clock, until) => Ok(()),
        }
    }

    /// Listens until the client leaves, or is killed.
    async fn say_nothing(&mut self) -> Gone {
        let mut bytes = [0; 1 << 10];
        loop {
            let read = tokio::select! {
                _ = self.stopped.wait_for(|stopped| *stopped) => return Gone,
                () = self.session.is_cut_off() => return Gone,
                read = self.stream.read(&mut bytes) => read,
            };
            if !matches!(read, Ok(1..)) {
                return Gone;
            }
        }
    }
}
