/* CRC-32 (IEEE 802.3) bit by bit and by table; "123456789" must give cbf43926. */
#include "guest.h"

static u32 table[256];
static u8 block[65536];

static u32 by_bits(const u8 *data, u64 size) {
  u32 crc = ~0u;
  for (u64 i = 0; i < size; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
  }
  return ~crc;
}

static u32 by_table(const u8 *data, u64 size) {
  u32 crc = ~0u;
  for (u64 i = 0; i < size; i++) crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
  return ~crc;
}

int main(int argc, char **argv) {
  u64 rounds = number(argc > 1 ? argv[1] : NULL, 4);
  for (u32 i = 0; i < 256; i++) {
    u32 crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    table[i] = crc;
  }
  show("check", by_bits((const u8 *)"123456789", 9));
  u64 seed = 1;
  u32 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    for (u64 i = 0; i < sizeof block; i++) block[i] = (u8)(next_random(&seed) >> 56);
    u32 crc = by_table(block, sizeof block);
    if (round == 0 && crc != by_bits(block, sizeof block)) return 1;
    sum = sum * 31 + crc;
  }
  show("crc", sum);
  return 0;
}
