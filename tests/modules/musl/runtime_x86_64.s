	.text
# What musl takes for the program's only initialiser: each function of the list.
initialise:
	push %rbx
	mov initialisers(%rip), %rbx
1:	mov (%rbx), %rax
	test %rax, %rax
	jz 2f
	add $8, %rbx
	call *%rax
	jmp 1b
2:	pop %rbx
	ret
	.balign 16
# What musl takes for its only finaliser: each function of the list that the host gives.
finish:
	push %rbx
	call *host_finish(%rip)
	mov %rax, %rbx
1:	mov (%rbx), %rax
	test %rax, %rax
	jz 2f
	add $8, %rbx
	call *%rax
	jmp 1b
2:	pop %rbx
	ret
	.balign 16
# The service answers with a record: result, functions, 0; or with 0 if another thread must finish first.
dlopen:
	push %rbx
	push %r12
	sub $8, %rsp
	mov 24(%rsp), %rdx
1:	call *host_dlopen(%rip)
	test %rax, %rax
	jnz 2f
	push %rcx
	mov $24, %eax
	syscall
	pop %rcx
	jmp 1b
2:	mov %rax, %rbx
	lea 8(%rbx), %r12
3:	mov (%r12), %rax
	test %rax, %rax
	jz 4f
	add $8, %r12
	call *%rax
	jmp 3b
4:	mov %rbx, %rdi
	call *host_done(%rip)
	add $8, %rsp
	pop %r12
	pop %rbx
	ret
	.balign 16
# The host's snapshot: a count, then a dl_phdr_info for each object.
dl_iterate_phdr:
	push %rbx
	push %r12
	push %r13
	push %r14
	sub $8, %rsp
	mov %rdi, %r13
	mov %rsi, %r14
	call *host_phdr(%rip)
	mov %rax, %rbx
	lea 8(%rbx), %r12
	xor %eax, %eax
1:	cmpq $0, (%rbx)
	je 2f
	decq (%rbx)
	mov %r12, %rdi
	mov $64, %esi
	mov %r14, %rdx
	call *%r13
	test %eax, %eax
	jnz 2f
	add $64, %r12
	jmp 1b
2:	mov %eax, %r12d
	mov %rbx, %rdi
	call *host_phdr_done(%rip)
	mov %r12d, %eax
	add $8, %rsp
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	ret
	.balign 16
# The thread's vector: how many entries there are, then the blocks' addresses; 0 marks an absent block.
tls_get_addr:
	mov vector(%rip), %rax
	mov %fs:(%rax), %rax
	mov (%rdi), %rcx
	cmp (%rax), %rcx
	ja 1f
	mov (%rax,%rcx,8), %rax
	test %rax, %rax
	jz 1f
	add 8(%rdi), %rax
	ret
1:	jmp *host_tls(%rip)
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
tlsdesc_dynamic:
	push %rdi
	push %rcx
	mov 8(%rax), %rdi
	mov vector(%rip), %rax
	mov %fs:(%rax), %rax
	mov (%rdi), %rcx
	cmp (%rax), %rcx
	ja 1f
	mov (%rax,%rcx,8), %rax
	test %rax, %rax
	jz 1f
	add 8(%rdi), %rax
	jmp 2f
1:	call *host_tls(%rip)
2:	sub %fs:0, %rax
	pop %rcx
	pop %rdi
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
