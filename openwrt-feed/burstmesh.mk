# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# What the packages of this feed share. Included after rules.mk.

# The workspace's version; before a release 1.2.3_rc1, which apk can order, never 1.2.3-rc1.
PKG_VERSION:=0.1.0
PKG_RELEASE:=1

PKG_LICENSE:=Apache-2.0 OR MIT
PKG_LICENSE_FILES:=LICENSE-APACHE LICENSE-MIT
PKG_MAINTAINER:=The burstmesh developers <https://github.com/burstmesh/burstmesh>

# The feed lies in the project's own tree, so the source is the checkout that the feed was taken from: nothing else to
# download, no second version to keep in step.
BURSTMESH_TREE:=$(abspath $(CURDIR)/../..)

define Burstmesh/Prepare
	mkdir -p $(PKG_BUILD_DIR)
	$(TAR) -C $(BURSTMESH_TREE) --exclude-vcs --exclude=./target --exclude=./dist --exclude=./report -cf - . | \
		$(TAR) -C $(PKG_BUILD_DIR) -xf -
endef

# What a program of ours is built from. OpenWrt looks at the package's own folder alone for whether to build again, and here lies
# nothing of the source; it takes names of files and folders. In a Makefile: PKG_FILE_DEPENDS:=$(call Burstmesh/Sources,more names)
Burstmesh/Sources=$(addprefix $(BURSTMESH_TREE)/,Cargo.toml Cargo.lock .cargo firmware openwrt-feed/burstmesh.mk $(1))

# OpenWrt forces panic=unwind on cargo's profile `release`, which a program without std cannot be built with.
BURSTMESH_PROFILE:=router

# The same everywhere: some releases call cargo with --offline and want the dependencies in the tarball.
BURSTMESH_CARGO_ARGS:=--locked

# OpenWrt gives cargo RUSTFLAGS, which take the place of all that .cargo/config.toml says: what must hold there too is said again,
# and a test compares. For every program: the cipher on x86-64.
ifeq ($(ARCH),x86_64)
  CARGO_RUSTFLAGS+=--cfg chacha20_avx512
endif

# For the agent: fixed addresses (without them the tiny one does not even start: its log's texts are no memory), and its size. Left
# out are the flags that want a C library inside or a core of our own: OpenWrt's programs ask for the router's musl, and its
# core is built to unwind. The linker's scripts take away what OpenWrt's own strip does.
BURSTMESH_AGENT_RUSTFLAGS:=-Crelocation-model=static -Cforce-unwind-tables=no -Cllvm-args=-inline-threshold=10 -Cllvm-args=-inlinehint-threshold=50 -Cllvm-args=-min-jump-table-entries=8
ifneq ($(filter mips mipsel,$(ARCH)),)
  BURSTMESH_AGENT_RUSTFLAGS+=$(addprefix -Cllvm-args=-,disable-mips-df-forward-search=false disable-mips-df-succbb-search=false \
	enable-tail-merge tail-merge-size=1 disable-copyprop disable-machine-licm disable-machine-sink disable-phi-elim-edge-splitting \
	apply-ext-tsp-for-size mno-check-zero-division)
endif
