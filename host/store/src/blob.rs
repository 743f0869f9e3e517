//! Journals and logs as bytes: a tag of one byte, then the bytes as they are or compressed.

use crate::error::{Result, StoreError};

/// Below, compressing costs more than it saves.
const WORTH_IT: usize = 512;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() > WORTH_IT {
        let mut packed = vec![LZ4];
        packed.extend(lz4_flex::compress_prepend_size(bytes));
        if packed.len() <= bytes.len() {
            return packed;
        }
    }
    let mut packed = Vec::with_capacity(bytes.len() + 1);
    packed.push(PLAIN);
    packed.extend_from_slice(bytes);
    packed
}

pub(crate) fn unpack(mut packed: Vec<u8>) -> Result<Vec<u8>> {
    match packed.first() {
        Some(&PLAIN) => {
            packed.remove(0);
            Ok(packed)
        }
        Some(&LZ4) => lz4_flex::decompress_size_prepended(&packed[1..])
            .map_err(|error| StoreError::corrupt(format!("a journal chunk cannot be decompressed: {error}"))),
        other => Err(StoreError::corrupt(format!("a journal chunk begins with {other:?}, which is no format"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        for bytes in
            [vec![], vec![7], vec![7; 10_000], (0..=255u8).cycle().map(|b| b.wrapping_mul(b)).take(900).collect()]
        {
            assert_eq!(unpack(pack(&bytes)).expect("unpacks"), bytes);
        }
        assert!(pack(&[7; 10_000]).len() < 200);
        for bad in [vec![], vec![9, 1], vec![LZ4, 1, 2]] {
            assert!(matches!(unpack(bad), Err(StoreError::Corrupt { .. })));
        }
    }
}
