	.text
system_call:
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsi
	mov %rcx, %rdx
	mov %r8, %r10
	mov %r9, %r8
	mov 8(%rsp), %r9
	syscall
	ret

stub:
	lea stub(%rip), %r11
	jmp *stub+0x1230(%rip)
	ud2
	nop

bare_start:
	xor %ebp, %ebp
	mov (%rsp), %rdi
	lea 8(%rsp), %rsi
	and $-16, %rsp
	call bare_start-0x120
	mov %eax, %edi
	mov $231, %eax			# exit_group
	syscall
	ud2

libc_start:
	xor %ebp, %ebp
	mov %rdx, %r9
	pop %rsi
	mov %rsp, %rdx
	and $-16, %rsp
	push %rax
	push %rsp
	xor %r8d, %r8d
	xor %ecx, %ecx
	lea libc_start-0x40(%rip), %rdi
	call *libc_start+0x1230(%rip)
	ud2
