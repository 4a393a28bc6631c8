	.text
start:
	mov x19, sp
	ldr x20, initialisers
1:	ldr x16, [x20], #8
	cbz x16, 2f
	ldr x0, [x19]
	add x1, x19, #8
	add x2, x1, x0, lsl #3
	add x2, x2, #8
	blr x16
	b 1b
2:	adr x0, finish
	ldr x16, entry
	mov x19, xzr
	mov x20, xzr
	mov x30, xzr
	br x16
	.balign 16
finish:
	stp x29, x30, [sp, #-32]!
	mov x29, sp
	str x19, [sp, #16]
	ldr x19, finalisers
1:	ldr x16, [x19], #8
	cbz x16, 2f
	blr x16
	b 1b
2:	ldr x19, [sp, #16]
	ldp x29, x30, [sp], #32
	ret
	.balign 16
tls_get_addr:
	ldp x1, x2, [x0]
	mrs x0, tpidr_el0
	add x1, x1, x2
	add x0, x0, x1
	ret
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
entry: .quad 0
initialisers: .quad 0
finalisers: .quad 0
