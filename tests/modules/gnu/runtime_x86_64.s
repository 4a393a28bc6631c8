	.text
# The program's start: __libc_early_init(1), each initialiser (argc, argv, envp), then the entry point
# with `finish` in the register of the function to register with atexit.
start:
	mov %rsp, %rbx
	mov early_init(%rip), %rax
	test %rax, %rax
	jz 1f
	mov $1, %edi
	call *%rax
1:	mov initialisers(%rip), %r12
2:	mov (%r12), %rax
	test %rax, %rax
	jz 3f
	mov (%rbx), %rdi
	lea 8(%rbx), %rsi
	lea 16(%rbx,%rdi,8), %rdx
	add $8, %r12
	call *%rax
	jmp 2b
3:	mov %rbx, %rsp
	lea finish(%rip), %rdx
	xor %ebx, %ebx
	xor %r12d, %r12d
	jmp *entry(%rip)
	.balign 16
# At exit: each function of the list that the host gives.
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
dlopen:
	mov (%rsp), %rdx
	mov host_dlopen(%rip), %rax
	jmp with_list
	.balign 16
dlmopen:
	mov (%rsp), %r8
	mov host_dlmopen(%rip), %rax
	jmp with_list
	.balign 16
dlclose:
	mov host_dlclose(%rip), %rax
	jmp with_list
	.balign 16
# The service in rax answers with a record: result, argc, argv, envp, functions, 0; or with 0 if another
# thread must finish first.
with_list:
	push %rbx
	push %r12
	push %r13
	mov %rax, %r13
1:	call *%r13
	test %rax, %rax
	jnz 2f
	push %rcx
	mov $24, %eax
	syscall
	pop %rcx
	jmp 1b
2:	mov %rax, %rbx
	lea 32(%rbx), %r12
3:	mov (%r12), %rax
	test %rax, %rax
	jz 4f
	mov 8(%rbx), %rdi
	mov 16(%rbx), %rsi
	mov 24(%rbx), %rdx
	add $8, %r12
	call *%rax
	jmp 3b
4:	mov %rbx, %rdi
	call *host_done(%rip)
	pop %r13
	pop %r12
	pop %rbx
	ret
	.balign 16
# What libc calls through _rtld_global_ro: as above, with errors raised as ld.so raises them.
rtld_open:
	mov host_rtld_open(%rip), %rax
	sub $8, %rsp
	call with_list
	add $8, %rsp
	test %rax, %rax
	jz raise
	ret
	.balign 16
rtld_close:
	mov host_rtld_close(%rip), %rax
	sub $8, %rsp
	call with_list
	add $8, %rsp
	test %rax, %rax
	jnz raise
	ret
	.balign 16
rtld_lookup:
	sub $8, %rsp
	call *host_rtld_lookup(%rip)
	add $8, %rsp
	cmp $-1, %rax
	je raise
	ret
	.balign 16
raise:
	sub $8, %rsp
	call *host_error(%rip)
	add $8, %rsp
	mov (%rax), %rdi
	mov 8(%rax), %rsi
	mov 16(%rax), %rdx
	mov 24(%rax), %rcx
	jmp *signal_error(%rip)
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
	mov 40(%rsp), %rdi
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
# DTV entries are two words; word -2 of the vector is how many there are, -1 marks an absent block.
tls_get_addr:
	mov %fs:8, %rax
	mov (%rdi), %rcx
	cmp -16(%rax), %rcx
	ja 1f
	shl $4, %rcx
	mov (%rax,%rcx), %rax
	cmp $-1, %rax
	je 1f
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
	mov %fs:8, %rax
	mov (%rdi), %rcx
	cmp -16(%rax), %rcx
	ja 1f
	shl $4, %rcx
	mov (%rax,%rcx), %rax
	cmp $-1, %rax
	je 1f
	add 8(%rdi), %rax
	jmp 2f
1:	call *host_tls(%rip)
2:	sub %fs:0, %rax
	pop %rcx
	pop %rdi
	ret
	.balign 16
# The PLT's first entry has pushed the object's word and the relocation's number. All that may hold
# an argument is kept: the host changes no register but rax and the vectors not at all.
lazy:
	push %rax
	push %rdi
	push %rsi
	mov 24(%rsp), %rdi
	mov 32(%rsp), %rsi
	call *host_bind(%rip)
	mov %rax, %r11
	pop %rsi
	pop %rdi
	pop %rax
	add $16, %rsp
	jmp *%r11
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
