//! How a client's requests are answered, one after the other: most of them at once, and some in time.

#[cfg(feature = "lua")]
use std::future::poll_fn;
use std::pin::pin;

#[cfg(feature = "lua")]
use super::connection::poll_arrive;
use super::connection::{AHEAD, Connection, Gone, arrive, tell_requests};
use super::output::{SPARE, WRITE};
use super::stream::Stream;
use crate::Bytes;
#[cfg(feature = "journal")]
use crate::SyncPolicy;
#[cfg(feature = "journal")]
use crate::journal::deferred::deferring;
use crate::reply::Reply;
use crate::resp::Requests;
#[cfg(feature = "lua")]
use crate::script::Held;
use crate::table::{Named, Outcome, Waiting};
#[cfg(feature = "lua")]
use crate::waiting::hold;
use crate::waiting::{reach, wait};

/// So many requests are answered at a time.
const TURN: u64 = 1 << 10;

/// Up to where requests are answered at once. It goes through the place of the client's task, so it is small.
enum Halt {
    /// All that have arrived are.
    Done,
    /// The last one is, and who has sent it is to be told, or has to go.
    Told,
    /// Others are to have their turn.
    Turn,
    /// What comes next is no request: what is told of that.
    Broken(Box<Reply>),
    /// What comes next may have to wait: before it is carried out, or with what that has come to.
    Request(Vec<Bytes>, Option<Box<Outcome>>),
}

impl Connection<'_> {
    /// Answers all requests that have arrived; says whether those were several.
    pub(super) async fn answer(&mut self) -> Result<bool, Gone> {
        self.session.stop_watch();
        tell_requests(&self.session, &self.requests);
        let (mut taken, mut turn) = (0_u64, TURN);
        loop {
            match self.answer_at_once(&mut taken, turn)? {
                Halt::Done => {
                    tell_requests(&self.session, &self.requests);
                    return Ok(taken > 1);
                }
                Halt::Told => {}
                Halt::Turn => {
                    self.pause().await?;
                    turn = taken + TURN; // 64 bits do not overflow one by one
                }
                Halt::Broken(error) => {
                    self.tell(&error)?;
                    self.flush().await?;
                    return Err(Gone);
                }
                Halt::Request(words, outcome) => self.answer_in_time(words, outcome).await?,
            }
            if self.session.is_over() {
                self.flush().await?;
                return Err(Gone);
            }
            if self.out.len() >= WRITE {
                self.flush().await?;
                self.session.stop_watch();
            }
        }
    }

    /// Answers requests until there is something to be waited for. What is waited for has its place in the client's task from
    /// one turn to the next; what is not, on the stack, which is at hand.
    fn answer_at_once(&mut self, taken: &mut u64, turn: u64) -> Result<Halt, Gone> {
        while *taken < turn {
            self.requests.is_unknown = !self.session.may_call();
            self.requests.longest = self.session.longest_argument();
            let words = match self.requests.next() {
                Ok(Some(words)) => words,
                Ok(None) => return Ok(Halt::Done),
                Err(error) => return Ok(Halt::Broken(Box::new(error.reply().into()))),
            };
            if is_of_http(&words) {
                return Err(Gone);
            }
            *taken += 1;
            if self.has_to_wait(&words) {
                return Ok(Halt::Request(words, None));
            }
            match self.execute(&words) {
                Outcome::Reply(reply) if self.session.shuts_down().is_none() => {
                    self.conclude(words, reply)?
                }
                outcome => return Ok(Halt::Request(words, Some(Box::new(outcome)))),
            }
            if self.session.is_over() || self.out.len() >= WRITE {
                return Ok(Halt::Told);
            }
        }
        Ok(Halt::Turn)
    }

    /// Whether something comes before a request is carried out, or instead of that.
    fn has_to_wait(&self, words: &[Bytes]) -> bool {
        #[cfg(feature = "testing")]
        if self.session.is_tested() {
            return true;
        }
        self.check_stop().is_err()
            || self.session.is_killed()
            || self.session.hears()
            || self.session.held_back(words).is_some()
    }

    /// Answers a request that may have to wait. What it has come to is given if it was carried out.
    async fn answer_in_time(&mut self, words: Vec<Bytes>, outcome: Option<Box<Outcome>>) -> Result<(), Gone> {
        let (mut hears, mut names, protocol) = (false, 0, self.session.protocol());
        #[cfg_attr(not(feature = "lua"), allow(unused_mut))]
        let mut outcome = match outcome {
            Some(outcome) => *outcome,
            None => {
                self.begin(&words).await?;
                // What came unasked before the command is told before its reply.
                hears = self.session.hears();
                if hears {
                    names = self.session.subscriptions();
                    self.tell_mail().await?;
                }
                self.execute(&words)
            }
        };
        #[cfg_attr(not(feature = "lua"), allow(clippy::never_loop))]
        let reply = loop {
            match outcome {
                Outcome::Reply(reply) => break reply,
                Outcome::Waits(waiting) => {
                    self.flush().await?;
                    let reply = self.wait(*waiting).await?;
                    self.note_served(&reply);
                    break reply;
                }
                #[cfg(feature = "lua")]
                Outcome::Held(held) => {
                    self.give_way(held).await?;
                    self.check_stop()?;
                    if self.session.is_killed() {
                        return Err(Gone);
                    }
                    outcome = self.execute(&words);
                }
            }
        };
        if let Some(how) = self.session.shuts_down() {
            self.shared.shut_down(how);
            // What waited for that may take locks.
            #[cfg(feature = "lua")]
            tokio::task::block_in_place(|| self.session.let_pass());
            // What came before it is told.
            self.flush().await?;
            return Err(Gone);
        }
        // Nothing comes behind the reply by which it has stopped to listen; after RESET, in words of before, nothing at all.
        if hears && (self.session.subscriptions() < names || !self.session.hears()) {
            if self.session.protocol() == protocol {
                self.tell_mail().await?;
            } else {
                while self.session.try_message().is_some() {}
            }
        }
        #[cfg(feature = "testing")]
        if !self.endure_reply(&reply).await? {
            return Ok(());
        }
        self.conclude(words, reply)
    }

    /// What comes before a request is carried out, if it still is to be.
    async fn begin(&mut self, words: &[Bytes]) -> Result<(), Gone> {
        if self.check_stop().is_err() {
            // What comes after the stop is nobody's any more; what was answered before it is told.
            self.flush().await?;
            return Err(Gone);
        }
        #[cfg(feature = "testing")]
        self.endure(words).await?;
        while let Some(until) = self.session.held_back(words) {
            self.hold_back(until).await?;
            self.session.stop_watch();
        }
        if self.session.is_killed() { Err(Gone) } else { Ok(()) }
    }

    /// Tells the reply to a request.
    #[inline]
    fn conclude(&mut self, words: Vec<Bytes>, reply: Reply) -> Result<(), Gone> {
        if self.session.sends(&reply) {
            // What came before may have been sent since.
            let begin = self.told.min(self.out.len());
            self.tell(&reply)?;
            let bytes = self.out.len().saturating_sub(begin);
            self.session.note_reply(&words, bytes);
            // The next command has no part in what it took to write this out.
            if bytes > SPARE {
                self.session.stop_watch();
            }
        }
        // Neither the words nor the reply are kept until the client has read it.
        self.requests.reuse(words);
        Ok(())
    }

    /// Tells what has come unasked so far.
    async fn tell_mail(&mut self) -> Result<(), Gone> {
        for _ in 0..self.session.mail().waiting().0 {
            let Some(reply) = self.session.try_message() else { break };
            self.tell(&reply)?;
            if self.out.len() >= WRITE {
                self.flush().await?;
                self.check_stop()?;
            }
        }
        Ok(())
    }

    /// Lets others have their turn in the midst of many requests.
    async fn pause(&mut self) -> Result<(), Gone> {
        tokio::task::yield_now().await;
        tell_requests(&self.session, &self.requests);
        self.session.stop_watch();
        // What is left may be much, and all of it be for a `MULTI`.
        self.check_kept(self.session.queued_bytes())
    }

    /// Runs a command. One that takes long has this thread for itself: another takes over the clients that it serves.
    fn execute(&mut self, words: &[Bytes]) -> Outcome {
        let found = self.session.look_up_next(words);
        if self.session.takes_long(&found) {
            return tokio::task::block_in_place(|| self.run(found, words));
        }
        self.run(found, words)
    }

    /// The same on this thread. Where what it does is to be on the disk before it is answered, the replies wait for it together.
    fn run(&mut self, found: Named, words: &[Bytes]) -> Outcome {
        self.told = self.out.len();
        #[cfg(feature = "journal")]
        {
            let space = self.shared.store.space();
            let (outcome, place) = deferring(space, || self.session.execute_to(found, words, &mut self.out));
            self.unsynced = self.unsynced.max(place);
            outcome
        }
        #[cfg(not(feature = "journal"))]
        self.session.execute_to(found, words, &mut self.out)
    }

    /// Waits until a command may be tried that somebody's script has kept from being carried out.
    #[cfg(feature = "lua")]
    async fn give_way(&mut self, held: Held) -> Result<(), Gone> {
        self.session.stop_watch();
        self.flush().await?;
        let clock = self.shared.store.space().clock();
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
        tokio::select! {
            biased;
            () = hold(held, clock) => Ok(()),
            _ = stopped.wait_for(|stopped| *stopped) => Err(Gone),
            gone = breaks(stream, requests) => Err(gone),
        }
    }

    /// Waits until a command is served, or its time is over. What comes unasked meanwhile is sent.
    async fn wait(&mut self, waiting: Waiting) -> Result<Reply, Gone> {
        let Waiting { ticket, deadline, served, nothing } = waiting;
        let clock = self.shared.store.space().clock();
        let mail = self.session.mailbox();
        let mut got = pin!(wait(&ticket, deadline, clock, || mail.is_closed()));
        loop {
            let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
            let message = tokio::select! {
                biased;
                got = &mut got => {
                    if self.session.is_killed() && matches!(got, Ok(None)) {
                        return Err(Gone);
                    }
                    return Ok(self.session.woken(got, served, nothing));
                }
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
                message = mail.recv_async() => message.ok_or(Gone)?,
                gone = leaves(stream, requests) => return Err(gone),
            };
            self.tell(&self.session.told(message))?;
            self.flush().await?;
        }
    }

    /// What it was served by others is gone from where it was, as if by its own doing.
    fn note_served(&mut self, reply: &Reply) {
        #[cfg(feature = "journal")]
        if let Some(journal) = self.shared.store.space().journal() {
            if journal.policy() == SyncPolicy::Always && !matches!(reply, Reply::Nil | Reply::NilArray) {
                self.unsynced = self.unsynced.max(journal.end());
            }
        }
        #[cfg(not(feature = "journal"))]
        let _ = reply;
    }

    /// Waits as long as commands are held back; what has changed then is the caller's to look at.
    async fn hold_back(&mut self, until: u64) -> Result<(), Gone> {
        self.flush().await?;
        let space = self.shared.store.space();
        let pause = &space.shared().pause;
        let (stream, requests, stopped) = (&mut self.stream, &mut self.requests, &mut self.stopped);
        let message = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => return Err(Gone),
            () = pause.over() => return Ok(()),
            () = reach(space.clock(), until) => return Ok(()),
            message = self.session.mail().recv_async() => message.ok_or(Gone)?,
            gone = leaves(stream, requests) => return Err(gone),
        };
        self.tell(&self.session.told(message))?;
        Ok(())
    }
}

/// Whether somebody has a browser send commands, as the body of a request: what they are is not asked.
#[inline]
fn is_of_http(words: &[Bytes]) -> bool {
    let Some(word) = words.first() else { return false };
    // That is all there is to be seen of most commands.
    matches!(word.first(), Some(b'P' | b'p' | b'H' | b'h'))
        && (word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:"))
}

/// Ends when the client does. What it sends meanwhile is kept for later, up to a limit.
async fn leaves(stream: &mut Stream, requests: &mut Requests) -> Gone {
    while requests.pending() < AHEAD {
        if let Err(gone) = arrive(stream, requests).await {
            return gone;
        }
    }
    stream.closed().await;
    Gone
}

/// The same for one whose commands are carried out in any case: it may send no more, but what it has sent counts.
#[cfg(feature = "lua")]
async fn breaks(stream: &mut Stream, requests: &mut Requests) -> Gone {
    while requests.pending() < AHEAD {
        match poll_fn(|context| poll_arrive(stream, requests, context)).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Gone,
        }
    }
    std::future::pending().await
}
