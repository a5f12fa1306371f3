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

# OpenWrt forces panic=unwind on cargo's profile `release`, which a program without std cannot be built with.
BURSTMESH_PROFILE:=router

# The same everywhere: some releases call cargo with --offline and want the dependencies in the tarball.
BURSTMESH_CARGO_ARGS:=--locked
