	.text
sip_start:
	lea	children(%rip), %rbx
	mov	(%rbx), %rbx
1:	mov	(%rbx), %rsi
	test	%rsi, %rsi
	jz	2f
	mov	$56, %eax		# clone
	mov	$0x50f00, %edi		# CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	syscall
	test	%eax, %eax
	jz	3f
	js	4f
	add	$8, %rbx
	jmp	1b
2:	mov	main(%rip), %rax
	mov	(%rsp), %rdi
	lea	8(%rsp), %rsi
	jmp	5f
3:	pop	%rax
	pop	%rdi
	mov	%rsp, %rsi
5:	xor	%ebp, %ebp
	and	$-16, %rsp
	call	*%rax
4:	ud2
	.balign	16, 0xcc
children:
	.quad	0
main:
	.quad	0
