//! The property behind all attacks: what nobody issued is not accepted.

use crate::tokens::{Claims, KAI, UKA, verify};

/// SplitMix64: the same mutations for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// Characters that come close to a token, and some that do not.
const CHARACTERS: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_..==+/ \0\n\"{";

fn env_or(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Tokens that are good, and signed neighbours of them that are good as well.
fn issued() -> Vec<String> {
    let other = Claims::good().with("sub", "\"2\"");
    vec![
        KAI.with_claims(&Claims::good()),
        UKA.with_claims(&Claims::good()),
        KAI.with_claims(&other),
        UKA.with_header(r#"{"kid":"uka","alg":"RS256"}"#),
    ]
}

fn mutate(issued: &[String], random: &mut Random) -> Vec<u8> {
    let mut token = issued[random.below(issued.len())].clone().into_bytes();
    for _ in 0..=random.below(3) {
        let at = random.below(token.len().max(1)).min(token.len().saturating_sub(1));
        let character = CHARACTERS[random.below(CHARACTERS.len())];
        match random.below(8) {
            _ if token.is_empty() => token.push(character),
            0 => token[at] ^= 1 << random.below(8),
            1 | 2 => token[at] = character,
            3 => token.insert(at, character),
            4 => drop(token.remove(at)),
            5 => token.truncate(at),
            6 => token = splice(issued, random),
            _ => {
                let with = random.below(token.len());
                token.swap(at, with);
            }
        }
    }
    token
}

/// Header, payload and signature of tokens that need not be the same.
fn splice(issued: &[String], random: &mut Random) -> Vec<u8> {
    let parts: Vec<_> = (0..3)
        .map(|part| issued[random.below(issued.len())].split('.').nth(part).unwrap())
        .collect();
    parts.join(".").into_bytes()
}

/// A long run: `HAUMANA_MUTATIONS=1000000 cargo test --release -p haumana-api mutation`.
#[test]
fn a_mutation_is_accepted_only_if_it_is_an_issued_token() {
    let issued = issued();
    let seed = env_or("HAUMANA_SEED", 20_250_618);
    let mut random = Random(seed);

    for n in 0..env_or("HAUMANA_MUTATIONS", 3000) {
        let mutation = mutate(&issued, &mut random);
        // Header values are bytes; those that are not text never reach the verifier.
        let Ok(token) = String::from_utf8(mutation) else {
            continue;
        };
        let is_accepted = verify(&token).is_ok();
        assert_eq!(issued.contains(&token), is_accepted, "HAUMANA_SEED={seed}, mutation {n}");
    }
}
