//! The checksum of payloads and files: the CRC-64 of Jones' polynomial, reflected, from zero.

const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// What eight bytes add to the checksum, each by its place.
static TABLES: [[u64; 256]; 8] = tables();

/// The checksum of some bytes behind those that have `crc`. O(n)
pub(super) fn update(mut crc: u64, bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.split_at(bytes.len() / 8 * 8);
    for eight in eights.chunks_exact(8) {
        let mixed = (0..8).fold(crc, |crc, at| crc ^ u64::from(eight[at]) << (8 * at));
        crc = (0..8).fold(0, |crc, at| crc ^ TABLES[7 - at][(mixed >> (8 * at) & 0xff) as usize]);
    }
    rest.iter().fold(crc, |crc, byte| TABLES[0][usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u64, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut at = 1;
    while at < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u64 = tables[at - 1][byte];
            tables[at][byte] = tables[0][(before & 0xff) as usize] ^ before >> 8;
            byte += 1;
        }
        at += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_is_the_published_one() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    proptest! {
        #[test]
        fn parts_give_what_the_whole_does(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0usize..100) {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(update(update(0, head), tail), update(0, &bytes));
            let bit_by_bit = bytes.iter().fold(0, |crc: u64, byte| {
                (0..8).fold(crc ^ u64::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
            });
            prop_assert_eq!(update(0, &bytes), bit_by_bit);
        }
    }
}
