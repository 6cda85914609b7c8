//! Transfers between accounts: no money is made or lost, whatever runs at the same time.
//!
//! `cargo run --release --example transfer`

use std::thread;
use std::time::Instant;

use larder::{Error, Store};

#[derive(Debug, thiserror::Error)]
enum TransferError {
    #[error("{0} has not enough money")]
    NotEnough(String),
    #[error(transparent)]
    Store(#[from] Error),
}

/// Moves money, or changes nothing: an error takes back what the closure has done.
fn transfer(store: &Store, from: &str, to: &str, cents: i64) -> Result<(), TransferError> {
    store.transaction([from, to], |tx| {
        tx.counter(to).incr_by(cents)?;
        if tx.counter(from).decr_by(cents)? < 0 {
            return Err(TransferError::NotEnough(from.into()));
        }
        Ok(())
    })
}

fn main() -> Result<(), TransferError> {
    let store = Store::new();
    let accounts: Vec<String> = (0..10).map(|number| format!("account:{number}")).collect();
    for account in &accounts {
        store.insert(account, 1_000)?;
    }

    let started = Instant::now();
    let refused: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..2_usize)
            .map(|thread| {
                let (store, accounts) = (&store, &accounts);
                scope.spawn(move || {
                    let moves = (0..50_000).map(|n| (thread + n) * 7 % 100);
                    let results =
                        moves.map(|n| transfer(store, &accounts[n / 10], &accounts[n % 10], n as i64));
                    results.filter(|result| matches!(result, Err(TransferError::NotEnough(_)))).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("100,000 transfers in {:.0?}, {refused} refused", started.elapsed());

    let sum: i64 = store.transaction(&accounts, |tx| {
        let balances = accounts.iter().map(|account| tx.counter(account).get());
        balances.sum::<Result<i64, Error>>()
    })?;
    println!("in all accounts: {sum} cents");
    assert_eq!(sum, 10_000);
    Ok(())
}
