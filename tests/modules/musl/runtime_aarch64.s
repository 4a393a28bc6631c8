	.text
// What musl takes for the program's only initialiser: each function of the list.
initialise:
	stp x29, x30, [sp, #-32]!
	mov x29, sp
	str x19, [sp, #16]
	ldr x19, initialisers
1:	ldr x16, [x19], #8
	cbz x16, 2f
	blr x16
	b 1b
2:	ldr x19, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
	.balign 16
// What musl takes for its only finaliser: each function of the list that the host gives.
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
// The service answers with a record: result, functions, 0; or with 0 if another thread must finish first.
dlopen:
	stp x29, x30, [sp, #-48]!
	mov x29, sp
	stp x19, x20, [sp, #16]
	str x21, [sp, #32]
	mov x2, x30
	mov x21, x0
1:	ldr x16, host_dlopen
	blr x16
	cbnz x0, 2f
	mov x8, #124
	svc #0
	mov x0, x21
	b 1b
2:	mov x19, x0
	add x20, x19, #8
3:	ldr x16, [x20], #8
	cbz x16, 4f
	blr x16
	b 3b
4:	mov x0, x19
	ldr x16, host_done
	blr x16
	ldr x21, [sp, #32]
	ldp x19, x20, [sp, #16]
	ldp x29, x30, [sp], #48
	ret
	.balign 16
// The host's snapshot: a count, then a dl_phdr_info for each object.
dl_iterate_phdr:
	stp x29, x30, [sp, #-48]!
	mov x29, sp
	stp x19, x20, [sp, #16]
	stp x21, x22, [sp, #32]
	mov x21, x0
	mov x22, x1
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
// The thread's vector: how many entries there are, then the blocks' addresses; 0 marks an absent block.
tls_get_addr:
	mrs x1, tpidr_el0
	ldr x2, vector
	ldr x1, [x1, x2]
	ldp x2, x3, [x0]
	ldr x4, [x1]
	cmp x2, x4
	b.hi 1f
	ldr x1, [x1, x2, lsl #3]
	cbz x1, 1f
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
	ldr x2, vector
	ldr x1, [x1, x2]
	ldp x2, x3, [x0]
	ldr x4, [x1]
	cmp x2, x4
	b.hi 1f
	ldr x1, [x1, x2, lsl #3]
	cbz x1, 1f
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
initialisers: .quad 0
vector: .quad 0
host_finish: .quad 0
host_dlopen: .quad 0
host_done: .quad 0
host_phdr: .quad 0
host_phdr_done: .quad 0
host_tls: .quad 0
