//! A store that comes back after a restart, times to live included.
//!
//! `cargo run --release --example snapshot`

use std::error::Error;
use std::time::{Duration, Instant};

use larder::Store;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("larder-snapshot-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("larder.snapshot");

    let store = Store::new();
    for n in 0..200_000 {
        store.insert(format!("key:{n}"), format!("value {n}"))?;
    }
    store.insert_ex("session:42", "ann", Duration::from_secs(3600))?;
    store.list::<String>("jobs").extend_back(["resize", "upload"])?;

    let started = Instant::now();
    let saving = store.save_in_background(&path)?;
    let mut shown = 101;
    while !saving.is_finished() {
        let progress = saving.progress();
        let percent = progress.entries * 100 / progress.total.max(1);
        if percent != shown {
            println!("saving: {percent:>3} %");
            shown = percent;
        }
        std::thread::yield_now();
    }
    let saved = saving.wait()?;
    println!(
        "\rsaved {} keys, {:.1} MB, in {:.0?}",
        saved.entries,
        saved.bytes as f64 / 1e6,
        started.elapsed()
    );

    // The process ends, and another begins.
    drop(store);
    let started = Instant::now();
    let store = Store::load(&path)?;
    println!("loaded {} keys in {:.0?}", store.len()?, started.elapsed());
    println!("session:42 still lives for {:?}", store.ttl("session:42")?.left());
    println!("jobs: {:?}", store.list::<String>("jobs").to_vec()?);

    // A file that was damaged is refused, and the message says where.
    let mut bytes = std::fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes)?;
    println!("damaged: {}", Store::load(&path).err().ok_or("loaded a damaged file")?);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
