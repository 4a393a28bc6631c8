// Runs instructions from machine states on stdin and writes the states after them to stdout.
// Layout of a state: state.ts. Linked at fixed addresses: code at 0x400000, slot at 0x410000,
// the state itself at 0x420000.

        .text
        .globl  _start
_start:
        ldr     x20, =state
next:
        mov     x21, #0
fill:   mov     x0, #0
        add     x1, x20, x21
        mov     x2, #1120
        sub     x2, x2, x21
        mov     x8, #63                 // read
        svc     #0
        cmp     x0, #0
        b.le    done
        add     x21, x21, x0
        cmp     x21, #1120
        b.lt    fill

        ldr     x1, =slot
        ldp     x2, x3, [x20, #280]
        stp     x2, x3, [x1]
        dc      cvau, x1
        dsb     ish
        ic      ivau, x1
        dsb     ish
        isb

        add     x1, x20, #304
        ldp     q0, q1, [x1], #32
        ldp     q2, q3, [x1], #32
        ldp     q4, q5, [x1], #32
        ldp     q6, q7, [x1], #32
        ldp     q8, q9, [x1], #32
        ldp     q10, q11, [x1], #32
        ldp     q12, q13, [x1], #32
        ldp     q14, q15, [x1], #32
        ldp     q16, q17, [x1], #32
        ldp     q18, q19, [x1], #32
        ldp     q20, q21, [x1], #32
        ldp     q22, q23, [x1], #32
        ldp     q24, q25, [x1], #32
        ldp     q26, q27, [x1], #32
        ldp     q28, q29, [x1], #32
        ldp     q30, q31, [x1], #32
        ldr     x1, [x20, #248]
        mov     sp, x1
        ldr     x1, [x20, #256]
        msr     nzcv, x1
        ldr     x1, [x20, #264]
        msr     fpcr, x1
        ldr     x1, [x20, #272]
        msr     fpsr, x1
        mov     x30, x20
        ldp     x0, x1, [x30, #0]
        ldp     x2, x3, [x30, #16]
        ldp     x4, x5, [x30, #32]
        ldp     x6, x7, [x30, #48]
        ldp     x8, x9, [x30, #64]
        ldp     x10, x11, [x30, #80]
        ldp     x12, x13, [x30, #96]
        ldp     x14, x15, [x30, #112]
        ldp     x16, x17, [x30, #128]
        ldp     x18, x19, [x30, #144]
        ldp     x20, x21, [x30, #160]
        ldp     x22, x23, [x30, #176]
        ldp     x24, x25, [x30, #192]
        ldp     x26, x27, [x30, #208]
        ldp     x28, x29, [x30, #224]
        ldr     x30, [x30, #240]
        b       slot

after:
        msr     tpidr_el0, x30
        ldr     x30, =state
        stp     x0, x1, [x30, #0]
        stp     x2, x3, [x30, #16]
        stp     x4, x5, [x30, #32]
        stp     x6, x7, [x30, #48]
        stp     x8, x9, [x30, #64]
        stp     x10, x11, [x30, #80]
        stp     x12, x13, [x30, #96]
        stp     x14, x15, [x30, #112]
        stp     x16, x17, [x30, #128]
        stp     x18, x19, [x30, #144]
        stp     x20, x21, [x30, #160]
        stp     x22, x23, [x30, #176]
        stp     x24, x25, [x30, #192]
        stp     x26, x27, [x30, #208]
        stp     x28, x29, [x30, #224]
        mov     x20, x30
        mrs     x0, tpidr_el0
        str     x0, [x20, #240]
        mov     x0, sp
        str     x0, [x20, #248]
        mrs     x0, nzcv
        str     x0, [x20, #256]
        mrs     x0, fpcr
        str     x0, [x20, #264]
        mrs     x0, fpsr
        str     x0, [x20, #272]
        add     x1, x20, #304
        stp     q0, q1, [x1], #32
        stp     q2, q3, [x1], #32
        stp     q4, q5, [x1], #32
        stp     q6, q7, [x1], #32
        stp     q8, q9, [x1], #32
        stp     q10, q11, [x1], #32
        stp     q12, q13, [x1], #32
        stp     q14, q15, [x1], #32
        stp     q16, q17, [x1], #32
        stp     q18, q19, [x1], #32
        stp     q20, q21, [x1], #32
        stp     q22, q23, [x1], #32
        stp     q24, q25, [x1], #32
        stp     q26, q27, [x1], #32
        stp     q28, q29, [x1], #32
        stp     q30, q31, [x1], #32
        mov     x0, #1
        mov     x1, x20
        mov     x2, #1120
        mov     x8, #64                 // write
        svc     #0
        b       next
done:
        mov     x0, #0
        mov     x8, #93                 // exit
        svc     #0

        .section .slot, "awx"
slot:   nop
        nop
        nop
        nop
        b       after

        .section .state, "aw"
state:  .space  4096
