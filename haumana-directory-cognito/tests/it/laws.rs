//! The laws of the directory.

use crate::moto;

haumana_api::directory_tests!(match moto::pool().await {
    Some(pool) => Box::new(pool),
    None => return,
});
