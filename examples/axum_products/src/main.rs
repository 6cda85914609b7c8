//! A small HTTP service with a cache in front of its database.
//!
//! `PORT=8080 DATABASE=products.db cargo run` in this folder; without `PORT` it takes a free one, without `DATABASE` one
//! in memory.
//!
//! ```text
//! curl -X PUT localhost:8080/products/7 -H 'content-type: application/json' -d '{"name":"tea","price_cents":450}'
//! curl -i localhost:8080/products/7       # "x-cache: loaded", and then "x-cache: hit"
//! curl localhost:8080/stats
//! curl localhost:8080/metrics             # for Prometheus
//! ```

mod products;
mod service;

use std::env;
use std::error::Error;
use std::path::PathBuf;

use larder::Store;
use tokio::net::TcpListener;

use products::{CachedProducts, SqliteProducts};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(0), |port| port.parse::<u16>())?;
    let database = env::var_os("DATABASE").map(PathBuf::from);
    let store = Store::builder().max_bytes(64 << 20).build();
    let products = CachedProducts::new(SqliteProducts::open(database.as_deref())?, &store)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}", listener.local_addr()?);
    let service = service::router(products, store);
    axum::serve(listener, service).with_graceful_shutdown(interrupted()).await?;
    Ok(())
}

async fn interrupted() {
    // Without a handler for it there is nothing to wait for: the process just ends.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
