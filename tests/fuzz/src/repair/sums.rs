//! Cyclic redundancy checks, bit by bit over a table of one byte.

/// A check of up to 32 bits whose highest bit goes first.
pub(super) struct Forward {
    table: [u32; 256],
    width: u32,
}

impl Forward {
    pub(super) const fn new(width: u32, polynomial: u32) -> Self {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut sum = (byte as u32) << (width - 8);
            let mut bit = 0;
            while bit < 8 {
                let high = sum >> (width - 1) & 1;
                sum <<= 1;
                if high == 1 {
                    sum ^= polynomial;
                }
                bit += 1;
            }
            table[byte] = sum;
            byte += 1;
        }
        Self { table, width }
    }

    pub(super) fn of(&self, bytes: &[u8]) -> u32 {
        let mask = u32::MAX >> (32 - self.width);
        let step = |sum: u32, byte: &u8| {
            let index = (sum >> (self.width - 8) & 0xff) as u8 ^ byte;
            (sum << 8 ^ self.table[usize::from(index)]) & mask
        };
        bytes.iter().fold(0, step)
    }
}

/// Of a flac frame's header.
pub(super) const FLAC_HEADER: Forward = Forward::new(8, 0x07);
/// Of a whole flac frame.
pub(super) const FLAC_FRAME: Forward = Forward::new(16, 0x8005);
/// Of an ogg page.
pub(super) const OGG: Forward = Forward::new(32, 0x04c1_1db7);

const REVERSED: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let low = sum & 1;
            sum >>= 1;
            if low == 1 {
                sum ^= 0xedb8_8320;
            }
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// CRC-32 as zip and png have it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| sum >> 8 ^ REVERSED[usize::from((sum & 0xff) as u8 ^ byte)];
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(FLAC_HEADER.of(b"123456789"), 0xf4);
        assert_eq!(FLAC_FRAME.of(b"123456789"), 0xfee8);
        assert_eq!(OGG.of(b"123456789"), 0x89a1_897f);
    }
}
