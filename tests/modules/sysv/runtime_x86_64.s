	.text
start:
	mov %rsp, %rbx
	mov initialisers(%rip), %r12
1:	mov (%r12), %rax
	test %rax, %rax
	jz 2f
	mov (%rbx), %rdi
	lea 8(%rbx), %rsi
	lea 16(%rbx,%rdi,8), %rdx
	add $8, %r12
	call *%rax
	jmp 1b
2:	mov %rbx, %rsp
	lea finish(%rip), %rdx
	xor %ebx, %ebx
	xor %r12d, %r12d
	jmp *entry(%rip)
	.balign 16
finish:
	push %rbx
	mov finalisers(%rip), %rbx
1:	mov (%rbx), %rax
	test %rax, %rax
	jz 2f
	add $8, %rbx
	call *%rax
	jmp 1b
2:	pop %rbx
	ret
	.balign 16
tls_get_addr:
	mov (%rdi), %rax
	add 8(%rdi), %rax
	add %fs:0, %rax
	ret
	.balign 16
tlsdesc_static:
	mov 8(%rax), %rax
	ret
	.balign 16
tlsdesc_undefined_weak:
	mov 8(%rax), %rax
	sub %fs:0, %rax
	ret
	.balign 16
entry: .quad 0
initialisers: .quad 0
finalisers: .quad 0
