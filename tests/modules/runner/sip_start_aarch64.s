	.text
sip_start:
 ldr x19, children
1: ldr x1,[x19],8
 cbz x1,2f
 mov x0,0xf00
 movk x0,5,lsl 16
 mov x2,0
 mov x3,0
 mov x4,0
 mov x8,220
 svc 0
 cbz x0,3f
 tbnz x0,63,4f
 b 1b
2: ldr x16, main
 ldr x0,[sp]
 add x1,sp,8
 b 5f
3: ldp x16,x0,[sp],16
 mov x1,sp
5: mov x29,0
 mov x30,0
 mov x2,sp
 and sp,x2,-16
 blr x16
4: udf 0
 .balign 16
children: .quad 0
main: .quad 0
