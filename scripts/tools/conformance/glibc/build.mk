# Builds glibc's own tests of dynamic linking outside of glibc's build. elf/Makefile and dlfcn/Makefile name
# the tests, their modules, dependencies and flags, and include this file where glibc has Makeconfig (first)
# and Rules (second). Tests link with the installed C library; what needs more of glibc's tree does
# not build and is left out.
#
#   make -k -C SOURCE/elf build OUT=… SOURCE=…     makes what can be made, in OUT/elf
#   make -s -C SOURCE/elf list OUT=… SOURCE=…      prints a line a test: name|environment|arguments
#
# OUT must be the same folder when the tests run. MACHINE is the architecture, LOADER the path of its ld.so.

ifndef first-inclusion
first-inclusion := yes
.SECONDEXPANSION:
.DEFAULT_GOAL := build
SHELL := /bin/bash

# What configure and Makeconfig would have found.
.. := ../
objpfx := $(OUT)/$(subdir)/
elf-objpfx := $(OUT)/elf/
common-objpfx := $(OUT)/
csu-objpfx := $(OUT)/none/
rpath-link := $(OUT)/elf:$(OUT)/dlfcn
avoid-generated := yes
build-shared := yes
run-built-tests := yes
have-depaudit := yes
have-dt-relr := yes
have-fpie := yes
have-gcc-ifunc := yes
have-ifunc := yes
have-mtls-dialect-gnu2 := $(if $(filter x86_64,$(MACHINE)),yes,no)
have-protected-data := yes
have-thread-library := yes
have-tunables := yes
have-z-execstack := yes
pthread-in-libc := yes
with-lld := no
no-stack-protector := -fno-stack-protector
PIE-ccflag := -fPIE
pie-ccflag := -fPIE
stack-align-test-flags := $(if $(filter x86_64,$(MACHINE)),-mpreferred-stack-boundary=4)
empty :=
LINK.o = $(CC)
evaluate-test = true
# Only the list expands these, for one test after the other.
host-test-program-cmd = $(OUT)/$(subdir)/$(test)
host-built-program-cmd = $(OUT)/$(subdir)/$(test)

includes := -I$(SOURCE) -I$(SOURCE)/support -I$(SOURCE)/$(subdir) -I$(SOURCE)/headers -I$(SOURCE)/headers/generic
defines := -D_GNU_SOURCE -D_ISOMAC -DMODULE_NAME=testsuite -DTIMEOUTFACTOR=8 -include isthmus.h
flags := -O2 -w -fno-stack-protector $(defines) $(includes)
compile.c = $(CC) -std=gnu11 $(flags) $(CFLAGS-$(<F)) $(CPPFLAGS-$(<F))
compile.cc = $(CXX) -std=gnu++17 $(flags) $(CFLAGS-$(<F))
compile-command.c = $(compile.c) -fPIC -DPIC -DSHARED -c $< -o $@

else # The second inclusion: glibc's Makefile has named everything by now.

all-modules := $(filter-out $(modules-names-nobuild),$(modules-names))
all-tests := $(filter-out $(tests-static) $(tests-container),\
	     $(sort $(tests) $(tests-internal) $(test-srcs)))

.PHONY: build list FORCE
build: $(addprefix $(objpfx),$(all-tests)) $(addprefix $(objpfx),$(addsuffix .so,$(modules-names)))

list:
	@$(foreach test,$(all-tests),printf '%s|%s|%s\n' $(test) '$(subst ','\'',$(strip $($(test)-ENV)))' '$(subst ','\'',$(strip $($(test)-ARGS)))';)

$(objpfx)%.os: %.c
	$(compile.c) -fPIC -DPIC -DSHARED -c $< -o $@
$(objpfx)%.os: %.cc
	$(compile.cc) -fPIC -DPIC -DSHARED -c $< -o $@
$(objpfx)%.o: %.c
	$(compile.c) $(if $(filter $*,$(tests-pie)),-fPIE,-fno-pie) -c $< -o $@
$(objpfx)%.o: %.S
	$(CC) $(includes) -c $< -o $@
$(objpfx)%.o: %.cc
	$(compile.cc) -fno-pie -c $< -o $@
$(objpfx)tst-initorder2%.os: tst-initorder2.c
	$(compile.c) -fPIC -DPIC -DSHARED -DNAME=\"$*\" -c $< -o $@
$(objpfx)tst-tls-manydynamic%mod.os: tst-tls-manydynamicmod.c
	$(compile.c) -fPIC -DPIC -DSHARED -c $< -o $@

libraries = $(filter $(OUT)/elf/%.so $(OUT)/dlfcn/%.so,$(filter-out %/ld.so,$^))

# A module; those with rules in glibc's Makefile are not in all-modules.
define build-module
$(if $(wildcard $(*F).cc),$(CXX),$(CC)) -shared -o $@ -Wl,-z,lazy \
  $(if $(findstring soname,$(LDFLAGS-$(@F))),,-Wl,-soname,$(@F)) \
  $(if $($(@F)-no-z-defs),,-Wl,-z,defs) $(LDFLAGS-$(@F)) \
  $(filter %.os %.o,$^) $(libraries) $(LDLIBS-$(@F)) $(OUT)/libsupport.a -Wl,-rpath-link,$(rpath-link)
endef
build-module-asneeded = $(build-module)
$(addprefix $(objpfx),$(addsuffix .so,$(all-modules))): $(objpfx)%.so: $(objpfx)%.os
	$(build-module)
$(addprefix $(objpfx),$(addsuffix .so,$(modules-names))): $(OUT)/libsupport.a

$(addprefix $(objpfx),$(all-tests)): $(objpfx)%: $(objpfx)%.o $(OUT)/libsupport.a
	$(if $(wildcard $*.cc),$(CXX),$(CC)) -o $@ $(if $(filter $*,$(tests-pie)),-pie,-no-pie) \
	  -Wl,-z,lazy $(LDFLAGS-$*) $(filter %.o %.os,$^) $(libraries) \
	  $(LDLIBS-$*) $(OUT)/libsupport.a -Wl,-rpath-link,$(rpath-link)

# The parts of glibc's support library that compile without glibc's own headers.
$(OUT)/libsupport.a:
	mkdir -p $(OUT)/support $(OUT)/elf $(OUT)/dlfcn
	-for source in $(SOURCE)/support/*.c; do \
	  $(compile.c) -fPIC $(support-paths) -c $$source -o $(OUT)/support/$$(basename $$source .c).o \
	    2>/dev/null; \
	done
	ar rcs $@ $(OUT)/support/*.o
support-paths = -DSRCDIR_PATH=\"$(OUT)\" -DOBJDIR_PATH=\"$(OUT)\" \
  -DOBJDIR_ELF_LDSO_PATH=\"$(LOADER)\" -DINSTDIR_PATH=\"/usr\" -DLIBDIR_PATH=\"/usr/lib\" \
  -DSLIBDIR_PATH=\"/lib\" -DBINDIR_PATH=\"/usr/bin\" -DSBINDIR_PATH=\"/usr/sbin\" \
  -DROOTSBINDIR_PATH=\"/usr/sbin\" -DSYSCONFDIR_PATH=\"/etc\" -DCOMPLOCALEDIR_PATH=\"/usr/lib/locale\"

# What rules of glibc's Makefile ask for in glibc's build; the compiler finds the installed ones.
$(OUT)/elf/ld.so $(common-objpfx)libc.so $(common-objpfx)libc_nonshared.a $(common-objpfx)shlib.lds:
	ln -sf /dev/null $@
$(objpfx)%.os $(objpfx)%.o: $(OUT)/libsupport.a
endif
