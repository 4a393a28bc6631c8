	.text
// The program's start: __libc_early_init(1), each initialiser (argc, argv, envp), then the entry point
// with `finish` in the register of the function to register with atexit.
start:
	mov x19, sp
	ldr x16, early_init
	cbz x16, 1f
	mov w0, #1
	blr x16
1:	ldr x20, initialisers
2:	ldr x16, [x20], #8
	cbz x16, 3f
	ldr x0, [x19]
	add x1, x19, #8
	add x2, x1, x0, lsl #3
	add x2, x2, #8
	blr x16
	b 2b
3:	adr x0, finish
	ldr x16, entry
	mov x19, xzr
	mov x20, xzr
	mov x30, xzr
	br x16
	.balign 16
// At exit: each function of the list that the host gives.
finish:
	stp x29, x30, [sp, #-32]!
	mov x29, sp
	str x19, [sp, #16]
	ldr x16, host_finish
	blr x16
	mov x19, x0
1:	ldr x16, [x19], #8
	cbz x16, 2f
	blr x16
	b 1b
2:	ldr x19, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
	.balign 16
dlopen:
	mov x2, x30
	ldr x16, host_dlopen
	b with_list
	.balign 16
dlmopen:
	mov x4, x30
	ldr x16, host_dlmopen
	b with_list
	.balign 16
dlclose:
	ldr x16, host_dlclose
	b with_list
	.balign 16
// The service in x16 answers with a record: result, argc, argv, envp, functions, 0; or with 0 if another
// thread must finish first. Its arguments are kept for the next attempt.
with_list:
	stp x29, x30, [sp, #-48]!
	mov x29, sp
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	mov x21, x16
	mov x22, x0
1:	blr x21
	cbnz x0, 2f
	mov x8, #124
	svc #0
	mov x0, x22
	b 1b
2:	mov x19, x0
	add x20, x19, #32
3:	ldr x16, [x20], #8
	cbz x16, 4f
	ldr x0, [x19, #8]
	ldr x1, [x19, #16]
	ldr x2, [x19, #24]
	blr x16
	b 3b
4:	mov x0, x19
	ldr x16, host_done
	blr x16
	ldp x21, x22, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #48
	ret
	.balign 16
// What libc calls through _rtld_global_ro: as above, with errors raised as ld.so raises them.
rtld_open:
	stp x29, x30, [sp, #-16]!
	ldr x16, host_rtld_open
	bl with_list
	ldp x29, x30, [sp], #16
	cbz x0, raise
	ret
	.balign 16
rtld_close:
	stp x29, x30, [sp, #-16]!
	ldr x16, host_rtld_close
	bl with_list
	ldp x29, x30, [sp], #16
	cbnz x0, raise
	ret
	.balign 16
rtld_lookup:
	stp x29, x30, [sp, #-16]!
	ldr x16, host_rtld_lookup
	blr x16
	ldp x29, x30, [sp], #16
	cmn x0, #1
	b.eq raise
	ret
	.balign 16
raise:
	stp x29, x30, [sp, #-16]!
	ldr x16, host_error
	blr x16
	ldp x29, x30, [sp], #16
	mov x4, x0
	ldr x0, [x4]
	ldr x1, [x4, #8]
	ldr x2, [x4, #16]
	ldr x3, [x4, #24]
	ldr x16, signal_error
	br x16
	.balign 16
// The host's snapshot: a count, then a dl_phdr_info for each object.
dl_iterate_phdr:
	stp x29, x30, [sp, #-48]!
	mov x29, sp
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	mov x21, x0
	mov x22, x1
	mov x0, x30
	ldr x16, host_phdr
	blr x16
	mov x19, x0
	add x20, x19, #8
	mov w0, wzr
1:	ldr x1, [x19]
	cbz x1, 2f
	sub x1, x1, #1
	str x1, [x19]
	mov x0, x20
	mov x1, #64
	mov x2, x22
	blr x21
	cbnz w0, 2f
	add x20, x20, #64
	b 1b
2:	mov w20, w0
	mov x0, x19
	ldr x16, host_phdr_done
	blr x16
	mov w0, w20
	ldp x21, x22, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #48
	ret
	.balign 16
// DTV entries are two words; word -2 of the vector is how many there are, -1 marks an absent block.
tls_get_addr:
	mrs x1, tpidr_el0
	ldr x1, [x1]
	ldp x2, x3, [x0]
	ldur x4, [x1, #-16]
	cmp x2, x4
	b.hi 1f
	lsl x2, x2, #4
	ldr x1, [x1, x2]
	cmn x1, #1
	b.eq 1f
	add x0, x1, x3
	ret
1:	ldr x16, host_tls
	br x16
	.balign 16
tlsdesc_static:
	ldr x0, [x0, #8]
	ret
	.balign 16
tlsdesc_undefined_weak:
	str x1, [sp, #-16]!
	ldr x0, [x0, #8]
	mrs x1, tpidr_el0
	sub x0, x0, x1
	ldr x1, [sp], #16
	ret
	.balign 16
// Every register but x0 is kept, x16 too: the host changes none but x0 and the link register.
tlsdesc_dynamic:
	stp x1, x2, [sp, #-48]!
	stp x3, x4, [sp, #16]
	stp x16, x30, [sp, #32]
	ldr x0, [x0, #8]
	mrs x1, tpidr_el0
	ldr x1, [x1]
	ldp x2, x3, [x0]
	ldur x4, [x1, #-16]
	cmp x2, x4
	b.hi 1f
	lsl x2, x2, #4
	ldr x1, [x1, x2]
	cmn x1, #1
	b.eq 1f
	add x0, x1, x3
	b 2f
1:	ldr x16, host_tls
	blr x16
2:	mrs x1, tpidr_el0
	sub x0, x0, x1
	ldp x16, x30, [sp, #32]
	ldp x3, x4, [sp, #16]
	ldp x1, x2, [sp], #48
	ret
	.balign 16
// The PLT's first entry has pushed x16 (the slot) and x30; x17 is where it jumped. The object's word is
// that of the table's second entry, eight bytes before the one it read.
lazy:
	stp x0, x1, [sp, #-16]!
	ldr x1, [sp, #16]
	ldur x0, [x16, #-8]
	ldr x16, host_bind
	blr x16
	mov x17, x0
	ldp x0, x1, [sp], #16
	ldp x16, x30, [sp], #16
	br x17
	.balign 16
early_init: .quad 0
initialisers: .quad 0
entry: .quad 0
signal_error: .quad 0
host_finish: .quad 0
host_dlopen: .quad 0
host_dlmopen: .quad 0
host_dlclose: .quad 0
host_done: .quad 0
host_rtld_open: .quad 0
host_rtld_close: .quad 0
host_rtld_lookup: .quad 0
host_error: .quad 0
host_phdr: .quad 0
host_phdr_done: .quad 0
host_tls: .quad 0
host_bind: .quad 0
