	.text
system_call:
	mov x8, x0
	mov x0, x1
	mov x1, x2
	mov x2, x3
	mov x3, x4
	mov x4, x5
	mov x5, x6
	svc 0
	ret

stub:
	adr x16, stub
	ldr x17, stub+0x1230
	br x17
	udf 0

bare_start:
	mov x29, 0
	mov x30, 0
	ldr x0, [sp]
	add x1, sp, 8
	bl bare_start-0x120
	mov x8, 94			// exit_group
	svc 0
	udf 0

libc_start:
	mov x29, 0
	mov x30, 0
	mov x5, x0
	ldr x1, [sp]
	add x2, sp, 8
	mov x6, sp
	adr x0, libc_start-0x40
	mov x3, 0
	mov x4, 0
	ldr x17, libc_start+0x1230
	blr x17
	udf 0
