//! Delays between attempts.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use shopwright_connectors::backoff::Backoff;

#[test]
fn the_ceiling_doubles_up_to_the_cap() {
    let backoff = Backoff { base: 1_000, cap: 60_000 };
    let ceilings: Vec<u64> = (0..=8).map(|n| backoff.ceiling(n)).collect();
    assert_eq!(ceilings, [1_000, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
    assert_eq!(backoff.ceiling(u32::MAX), 60_000);
    assert_eq!(Backoff { base: u64::MAX, cap: u64::MAX }.ceiling(9), u64::MAX);
}

proptest! {
    #[test]
    fn delays_are_seeded_bounded_and_spread(seed: u64, n in 1u32..40, base in 1u64..10_000, wait in prop::option::of(0u64..100_000)) {
        let backoff = Backoff { base, cap: 600_000 };
        let draw = || backoff.delay(n, wait, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(draw(), draw());
        let least = wait.unwrap_or(0);
        prop_assert!((least..=least + backoff.ceiling(n)).contains(&draw()));
    }
}

#[test]
fn the_mean_is_half_the_ceiling() {
    let backoff = Backoff { base: 1_000, cap: 600_000 };
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let draws: Vec<u64> = (0..10_000).map(|_| backoff.delay(4, None, &mut random)).collect();
    let mean = draws.iter().sum::<u64>() / 10_000;
    assert!((3_800..4_200).contains(&mean), "{mean}");
    assert!(draws.iter().any(|delay| *delay < 100) && draws.iter().any(|delay| *delay > 7_900));
}
