/* A QEMU TCG plugin (API of QEMU 7.2) that is the `reference` model, written apart from the
   simulator: 64-entry 4-way L1 TLBs for instructions and data, one 1536-entry 12-way L2, true LRU,
   4 KiB entries; gshare with 2^14 two-bit counters. Counters mean what docs/counters.md says.
   A TLB forgets pages whose mapping changes: by a system call, or by the page fault of the first
   write to a page of private memory, which qemu's own process takes unseen (see `first_write`).
   Arguments: out=FILE for the counters as JSON (default: standard error);
   trace=FILE for every event as well (the format is that of textbook_trace.ts). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "qemu-plugin.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

typedef struct {
  int sets, ways;
  uint64_t *page, *stamp; /* sets x ways; stamp 0 is an empty way */
  uint64_t now, accesses, misses, recent;
} Tlb;

static Tlb itlb = {.sets = 16, .ways = 4}, dtlb = {.sets = 16, .ways = 4};
static Tlb stlb = {.sets = 128, .ways = 12};
static uint64_t instructions, loads, stores, conditional, mispredicted;
static uint8_t counters[1 << 14];
static uint32_t history;
static uint64_t branch_pc, branch_next; /* the conditional branch whose outcome comes next */
static int aarch64, pending;
static FILE *trace;
static char out_path[4096];

enum { FETCH, LOAD, STORE, BRANCH_NOT_TAKEN, BRANCH_TAKEN, INVALIDATE = 10 };

static void record(int kind, uint64_t address, uint64_t other, uint32_t size) {
  if (!trace) return;
  struct { uint64_t address, other; uint32_t size, kind; } event = {
      address, other, size, (uint32_t)kind};
  fwrite(&event, sizeof event, 1, trace);
}

static void prepare(Tlb *tlb) {
  tlb->recent = ~0ul;
  tlb->page = calloc((size_t)(tlb->sets * tlb->ways), sizeof *tlb->page);
  tlb->stamp = calloc((size_t)(tlb->sets * tlb->ways), sizeof *tlb->stamp);
}

/* One lookup that fills on a miss; true if the page was there. */
static bool look_up(Tlb *tlb, uint64_t page) {
  int first = (int)(page % (uint64_t)tlb->sets) * tlb->ways, end = first + tlb->ways;
  tlb->accesses++;
  for (int way = first; way < end; way++) {
    if (tlb->page[way] == page && tlb->stamp[way]) {
      tlb->stamp[way] = ++tlb->now;
      return true;
    }
  }
  int victim = first;
  for (int way = first; way < end; way++) {
    if (tlb->stamp[way] < tlb->stamp[victim]) victim = way;
  }
  tlb->misses++;
  tlb->page[victim] = page;
  tlb->stamp[victim] = ++tlb->now;
  return false;
}

static void forget(uint64_t first, uint64_t end) {
  Tlb *tlbs[] = {&itlb, &dtlb, &stlb};
  record(INVALIDATE, first << 12, (end - first) << 12, 0);
  for (int i = 0; i < 3; i++) {
    Tlb *tlb = tlbs[i];
    tlb->recent = ~0ul;
    for (int way = 0; way < tlb->sets * tlb->ways; way++) {
      if (tlb->page[way] >= first && tlb->page[way] < end) tlb->stamp[way] = 0;
    }
  }
}

/* A bit for each page: whether the program wrote it since it was mapped, and whether it accessed it. Committed
   lazily. */
static uint8_t *written, *touched;
static uint64_t recent_store = ~0ul;
/* The page that the last load was the first to touch, and the instruction of that load. */
static uint64_t fresh_page = ~0ul, fresh_instruction;
enum { PAGE_NUMBER_BITS = 36 };

static bool has(const uint8_t *bits, uint64_t page) { return bits[page >> 3] >> (page & 7) & 1; }
static bool was_written(uint64_t page) { return has(written, page); }

static void set_written(uint64_t page, bool value) {
  if (was_written(page) == value) return;
  written[page >> 3] ^= (uint8_t)(1 << (page & 7));
  recent_store = ~0ul;
}

/* Private memory that was only read is mapped read-only: its first write faults, the kernel puts a
   copy in its place, and the old translation must go. */
static void first_write(uint64_t address, uint64_t size) {
  uint64_t page = address >> 12, last = (address + size - 1) >> 12;
  if (page == recent_store && page == last) return;
  for (; page <= last; page++) {
    if (page >> PAGE_NUMBER_BITS || was_written(page)) continue;
    set_written(page, true);
    /* On x86, what an instruction loads and then stores to faults as a write at once. */
    if (aarch64 || page != fresh_page || instructions != fresh_instruction) forget(page, page + 1);
  }
  recent_store = last;
}

/* A load may be the first access to its pages. */
static void first_load(uint64_t address, uint64_t size) {
  for (uint64_t page = address >> 12; page <= (address + size - 1) >> 12; page++) {
    if (page >> PAGE_NUMBER_BITS || has(touched, page)) continue;
    touched[page >> 3] |= (uint8_t)(1 << (page & 7));
    fresh_page = page;
    fresh_instruction = instructions;
  }
}

static void access_memory(Tlb *l1, uint64_t address, uint64_t size) {
  uint64_t page = address >> 12, last = (address + size - 1) >> 12;
  /* The page of the last access is its set's most recent: looking it up again changes nothing. */
  if (page == l1->recent && page == last) {
    l1->accesses++;
    return;
  }
  l1->recent = last;
  for (; page <= last; page++) {
    if (!look_up(l1, page)) look_up(&stlb, page);
  }
}

static void resolve_branch(uint64_t next) {
  uint32_t index = ((uint32_t)(branch_pc >> (aarch64 ? 2 : 0)) ^ history) & 0x3fff;
  bool taken = next != branch_next;
  record(taken ? BRANCH_TAKEN : BRANCH_NOT_TAKEN, branch_pc, next,
         (uint32_t)(branch_next - branch_pc));
  conditional++;
  if (taken != (counters[index] >= 2)) mispredicted++;
  if (taken && counters[index] < 3) counters[index]++;
  if (!taken && counters[index] > 0) counters[index]--;
  history = (history << 1 | taken) & 0x3fff;
  pending = 0;
}

/* What a translated instruction is: kept for ever, as QEMU may run it at any time. */
typedef struct { uint64_t pc; uint32_t size; bool conditional; } Instruction;

static void on_instruction(unsigned int cpu, void *data) {
  const Instruction *instruction = data;
  if (pending) resolve_branch(instruction->pc);
  instructions++;
  record(FETCH, instruction->pc, 0, instruction->size);
  access_memory(&itlb, instruction->pc, instruction->size);
  if (instruction->conditional) {
    pending = 1;
    branch_pc = instruction->pc;
    branch_next = instruction->pc + instruction->size;
  }
  (void)cpu;
}

static void on_memory(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data) {
  bool store = qemu_plugin_mem_is_store(info);
  uint32_t size = 1u << qemu_plugin_mem_size_shift(info);
  if (store) {
    stores++;
    first_write(address, size);
  } else {
    loads++;
    first_load(address, size);
  }
  record(store ? STORE : LOAD, address, 0, size);
  access_memory(&dtlb, address, size);
  (void)cpu;
  (void)data;
}

/* The mapping of the bytes changed; `fresh` if they are new pages, which nobody has written. */
static void changed(uint64_t address, uint64_t length, bool fresh) {
  uint64_t first = address >> 12, end = (address + length + 4095) >> 12;
  if (first >= end || end >> PAGE_NUMBER_BITS) return;
  forget(first, end);
  for (uint64_t page = first; fresh && page < end; page++) {
    set_written(page, false);
    touched[page >> 3] &= (uint8_t)~(1 << (page & 7));
  }
}

static void moved(uint64_t from, uint64_t to, uint64_t length) {
  for (uint64_t offset = 0; offset < length; offset += 4096) {
    set_written((to + offset) >> 12, was_written((from + offset) >> 12));
  }
  changed(from, length, true);
}

static uint64_t arguments[4]; /* of the system call under way; the programs have one thread */

static void on_system_call(qemu_plugin_id_t id, unsigned int cpu, int64_t number, uint64_t a,
                           uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g,
                           uint64_t h) {
  const uint64_t all[4] = {a, b, c, d};
  memcpy(arguments, all, sizeof arguments);
  (void)id, (void)cpu, (void)number, (void)e, (void)f, (void)g, (void)h;
}

static void on_result(qemu_plugin_id_t id, unsigned int cpu, int64_t number, int64_t result) {
  enum { MMAP, MUNMAP, MPROTECT, MREMAP, MADVISE, BRK };
  static const int64_t numbers[2][6] = {{9, 11, 10, 25, 28, 12}, {222, 215, 226, 216, 233, 214}};
  static uint64_t heap_end;
  const uint64_t *a = arguments, address = (uint64_t)result;
  int call = 0;
  while (call < 6 && numbers[aarch64][call] != number) call++;
  (void)id, (void)cpu;
  if (result < 0 && result > -4096) return;
  switch (call) {
  case MMAP: return changed(address, a[1], true);
  case MUNMAP: return changed(a[0], a[1], true);
  case MPROTECT: return changed(a[0], a[1], false);
  case MREMAP:
    if (address != a[0]) moved(a[0], address, a[1] < a[2] ? a[1] : a[2]);
    else if (a[2] < a[1]) changed(a[0] + a[2], a[1] - a[2], true);
    return;
  case MADVISE: if (a[2] == 4 /* MADV_DONTNEED */) changed(a[0], a[1], true); return;
  case BRK:
    if (address < heap_end) changed((address + 4095) & ~4095ul, heap_end - address, true);
    heap_end = address;
  }
}

static bool is_conditional(const uint8_t *bytes, size_t size) {
  if (aarch64) {
    uint32_t word;
    memcpy(&word, bytes, 4);
    return (word & 0xff000010) == 0x54000000 /* B.cond */ ||
           (word & 0x7e000000) == 0x34000000 /* CBZ, CBNZ */ ||
           (word & 0x7e000000) == 0x36000000 /* TBZ, TBNZ */;
  }
  static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3};
  size_t at = 0;
  while (at < size && ((bytes[at] & 0xf0) == 0x40 /* REX */ ||
                       memchr(prefixes, bytes[at], sizeof prefixes))) at++;
  if (at < size && bytes[at] == 0x0f) return at + 1 < size && (bytes[at + 1] & 0xf0) == 0x80;
  return at < size && ((bytes[at] & 0xf0) == 0x70 || (bytes[at] & 0xfc) == 0xe0);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  size_t count = qemu_plugin_tb_n_insns(block);
  Instruction *known = malloc(count * sizeof *known);
  for (size_t i = 0; i < count; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
    size_t size = qemu_plugin_insn_size(insn);
    bool branch = is_conditional(qemu_plugin_insn_data(insn), size);
    known[i] = (Instruction){qemu_plugin_insn_vaddr(insn), (uint32_t)size, branch};
    qemu_plugin_register_vcpu_insn_exec_cb(insn, on_instruction, QEMU_PLUGIN_CB_NO_REGS, known + i);
    qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                     NULL);
  }
  (void)id;
}

static void on_end(qemu_plugin_id_t id, void *data) {
  FILE *out = out_path[0] ? fopen(out_path, "w") : stderr;
  if (!out) return perror(out_path);
  fprintf(out, "{\"instructions\":%" PRIu64 ",\"loads\":%" PRIu64 ",\"stores\":%" PRIu64,
          instructions, loads, stores);
  const struct { const char *name; const Tlb *tlb; } rows[] = {
      {"itlb", &itlb}, {"dtlb", &dtlb}, {"stlb", &stlb}};
  for (int i = 0; i < 3; i++) {
    fprintf(out, ",\"%s.accesses\":%" PRIu64 ",\"%s.misses\":%" PRIu64, rows[i].name,
            rows[i].tlb->accesses, rows[i].name, rows[i].tlb->misses);
  }
  fprintf(out, ",\"walks\":%" PRIu64 ",\"branches.conditional\":%" PRIu64
          ",\"branches.conditional.mispredicted\":%" PRIu64 "}\n",
          stlb.misses, conditional, mispredicted);
  if (out != stderr) fclose(out);
  if (trace) fclose(trace);
  (void)id;
  (void)data;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                           char **argv) {
  aarch64 = strcmp(info->target_name, "aarch64") == 0;
  memset(counters, 1, sizeof counters); /* weakly not taken */
  prepare(&itlb);
  prepare(&dtlb);
  prepare(&stlb);
  written = mmap(NULL, 1ul << (PAGE_NUMBER_BITS - 3), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  touched = mmap(NULL, 1ul << (PAGE_NUMBER_BITS - 3), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (written == MAP_FAILED || touched == MAP_FAILED) return perror("reference plugin"), -1;
  for (int i = 0; i < argc; i++) {
    if (strncmp(argv[i], "out=", 4) == 0) snprintf(out_path, sizeof out_path, "%s", argv[i] + 4);
    else if (strncmp(argv[i], "trace=", 6) == 0 && (trace = fopen(argv[i] + 6, "w"))) continue;
    else return fprintf(stderr, "reference plugin: bad argument %s\n", argv[i]), -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, on_result);
  qemu_plugin_register_atexit_cb(id, on_end, NULL);
  return 0;
}
