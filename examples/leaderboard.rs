//! A leaderboard: scores that change all the time, and everybody's place in it at any time.
//!
//! `cargo run --release --example leaderboard`

use std::time::Instant;

use larder::{Result, Store};

const PLAYERS: u64 = 100_000;

fn main() -> Result<()> {
    let store = Store::new();
    let board = store.sorted_set::<String>("scores");

    let started = Instant::now();
    for player in 0..PLAYERS {
        board.insert(format!("player {player}"), (player * 7919 % 1_000_003) as f64)?;
    }
    println!("{PLAYERS} players in {:.0?}", started.elapsed());

    let started = Instant::now();
    board.incr_by("player 4711", 1_000_000.0)?;
    let place = board.rank_rev("player 4711")?.map_or(0, |rank| rank + 1);
    println!("player 4711 wins a million and is number {place} now, in {:.0?}", started.elapsed());

    println!("\nThe first five:");
    for (place, (player, score)) in (1..).zip(board.range_rev(0, 4)?) {
        println!("{place:>3}. {player:<16} {score:>10}");
    }

    let place = board.rank_rev("player 42")?.unwrap_or(0) as i64;
    println!("\nAround player 42:");
    for (player, score) in board.range_rev(place - 2, place + 2)? {
        println!("     {player:<16} {score:>10}");
    }
    println!("\n{} players have half a million or more", board.count_by_score(500_000.0..)?);
    Ok(())
}
