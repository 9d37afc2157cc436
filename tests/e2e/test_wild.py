# ruff: noqa: E501 - command lines are lines
"""Command lines as backup tools, build systems and people's habits have them, beside rsync on the same machine.

Each case is a few lines of a script, run in a directory that holds a small machine (``root/``) and what the lines
make. Afterwards everything must be the same: the whole directory, the exit codes, and what was printed, but for
numbers that depend on the clock or on the protocol. Every script runs twice, with changes in between.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

import pytest

from support.commands import ARSYNC, Result, run
from support.snapshot import assert_same, snapshot
from support.trees import Device, Dir, Entry, Fifo, File, Hardlink, Sparse, Symlink, create

pytestmark = [pytest.mark.needs_rsync, pytest.mark.needs_root]

T = 1_600_000_000 * 10**9
ANN, SHARED = (1000, 1000), (1000, 100)


def file(content: bytes = b"", *, mode: int = 0o644, age: int = 0, owner: tuple[int, int] = ANN, **more: Any) -> File:
    return File(content, mode=mode, mtime_ns=T - age * 10**9 + 123456789, owner=owner, **more)


def folder(entries: dict[bytes, Entry], mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> Dir:
    return Dir(entries, mode=mode, mtime_ns=T, owner=owner)


def photos() -> Dir:
    shots: dict[bytes, Entry] = {b"IMG %d.jpg" % n: file(b"\xff\xd8" + bytes([n]) * 900, age=n) for n in range(4)}
    return folder(
        {
            b"2019": folder({**shots, b"IMG 1.raw": file(b"raw" * 900), b".thumbs": folder({b"1.jpg": file(b"t")})}),
            b"2020": folder({b"\xc3\xa9t\xc3\xa9": folder({b"a.JPG": file(b"j"), b"b.jpg": file(b"k", mode=0o600)})}),
            b"empty year": folder({b"notes": folder({})}),
            b"index.html": file(b"<html>"),
        }
    )


def project() -> Dir:
    return folder(
        {
            b".git": folder(
                {b"HEAD": file(b"ref"), b"objects": folder({b"ab": folder({b"cd": file(b"x", mode=0o444)})})}
            ),
            b".gitignore": file(b"*.o\nbuild\n"),
            b".rsync-filter": file(b"- *.pyc\n- /build/\n"),
            b"Makefile": file(b"all:\n"),
            b"build": folder({b"app.o": file(b"o"), b"app": file(b"elf", mode=0o755)}),
            b"node_modules": folder({b"left": folder({b"index.js": file(b"js")}), b".bin": Symlink(b"left", T)}),
            b"src": folder(
                {
                    b"app.py": file(b"print()"),
                    b"app.pyc": file(b"pyc"),
                    b".rsync-filter": file(b"- secret\n"),
                    b"secret": file(b"s"),
                }
            ),
            b"run.sh": file(b"#!/bin/sh\n", mode=0o755),
            b"list": file(b"src/app.py\nMakefile\nbuild/app\n"),
        },
        owner=ANN,
    )


def machine() -> Dir:
    return folder(
        {
            b"bin": Symlink(b"usr/bin", T),
            b"dev": folder({b"null": Device(0o20666, os.makedev(1, 3)), b"initctl": Fifo(0o600, T)}),
            b"etc": folder(
                {
                    b"passwd": file(b"root:x:0", owner=(0, 0)),
                    b"shadow": file(b"root:!", mode=0o600, owner=(0, 42)),
                    b"mtab": Symlink(b"/proc/mounts", T),
                    b"rc.d": folder({b"S01": Symlink(b"../init", T), b"dead": Symlink(b"nowhere", T)}),
                    b"init": file(b"init", mode=0o755, owner=(0, 0)),
                }
            ),
            b"home": folder(
                {
                    b"ann": folder(
                        {b"photos": photos(), b"project": project(), b".cache": folder({b"c": file(b"c")})}, 0o750, ANN
                    )
                }
            ),
            b"lost+found": folder({}, 0o700),
            b"proc": folder({b"cpuinfo": file(b"cpu", mode=0o444, owner=(0, 0))}, 0o555),
            b"tmp": folder({b"x": file(b"x"), b"odd\nname": file(b"o")}, 0o1777),
            b"usr": folder(
                {
                    b"bin": folder(
                        {
                            b"su": file(b"su", mode=0o4755, owner=(0, 0)),
                            b"vi": file(b"vi", mode=0o755),
                            b"ex": Hardlink(b"usr/bin/vi"),
                        }
                    ),
                    b"share": folder(
                        {
                            b"data": file(b"d" * 200_000, xattrs={b"user.origin": b"web"}),
                            b"w": folder({}, 0o2775, SHARED),
                        }
                    ),
                }
            ),
            b"var": folder(
                {
                    b"log": folder({b"syslog": file(b"l\n" * 50, mode=0o640, owner=(0, 4))}),
                    b"db": Sparse(300_000, ((5, b"x"), (200_000, b"y")), T),
                }
            ),
        }
    )


#: What happens on the machine between two runs.
CHANGES = """
printf more >> root/var/log/syslog; touch -d @1600000500 root/var/log/syslog
rm root/etc/rc.d/S01 root/tmp/x; mkdir root/tmp/x; touch -d @1600000500 root/tmp/x
mv 'root/home/ann/photos/2019/IMG 2.jpg' 'root/home/ann/photos/2020/IMG 2.jpg'
chmod 640 root/etc/init; chown 0:42 root/etc/passwd
printf 'print(1)' > root/home/ann/project/src/app.py; touch -d @1600000500 root/home/ann/project/src/app.py
ln -s photos root/home/ann/pictures; touch -h -d @1600000500 root/home/ann/pictures
find root -newermt @1600001000 -type d -exec touch -d @1600000600 {} +
"""

BIT = "--recursive --times --devices --specials --hard-links --human-readable -s --links --acls --perms --executability --group --owner"
PSEUDO = """--exclude={"/dev/*","/proc/*","/sys/*","/tmp/*","/run/*","/mnt/*","/media/*","/lost+found"}"""

#: A name for each habit, and its script; ``rsync`` is what is compared. Braces are the shell's, as people type them.
HABITS: dict[str, str] = {
    "rsnapshot": """
        if [ -d snap.1 ]; then rm -rf snap.1; fi; if [ -d snap.0 ]; then mv snap.0 snap.1; mkdir -p snap.1; fi; mkdir -p snap.0
        rsync -a --delete --numeric-ids --relative --delete-excluded --exclude=.cache/ --link-dest=$PWD/snap.1/localhost/ root/etc root/home/ snap.0/localhost/""",
    "rsnapshot with cp -al": """
        test ! -d a.0 || { rm -rf a.1; cp -al a.0 a.1; }
        rsync -av --delete --numeric-ids --relative --delete-excluded $PWD/root/./etc/ $PWD/root/./home a.0/""",
    "BackInTime": f"""
        mkdir -p new/backup
        rsync {BIT} --info=progress2 --no-inc-recursive --delete --delete-excluded -v -i '--out-format=BACKINTIME: %i %n%L' --link-dest=../../last/backup --chmod=Du+wx --exclude=new --exclude=*.backup* --exclude=*~ --include=root/ --include=/root/** --exclude=* root new/backup
        rm -rf last; mv new last""",
    "BackInTime looks for changes": f"""
        rsync {BIT} -i --dry-run --whole-file --delete --exclude=/root/tmp '--out-format=BACKINTIME: %i %n%L' root/ check
        mkdir -p check; rsync -a root/ check""",
    "Timeshift": """
        mkdir -p ts/now/localhost; printf '+ /home/*/.*\\n/dev/*\\n/proc/*\\n/tmp/*\\n/lost+found\\n/home/*/**\\n' > ts/exclude.list
        rsync -aii --recursive --verbose --delete --force --stats --sparse --delete-excluded --link-dest=$PWD/ts/then/localhost/ --log-file=$PWD/ts/log --exclude-from=$PWD/ts/exclude.list --delete-excluded root/ $PWD/ts/now/localhost/
        rm -rf ts/then ts/log; mv ts/now ts/then""",
    "Arch wiki": f"""
        mkdir -p mnt
        rsync -aAXHv --delete {PSEUDO} root/ mnt""",
    "Debian clone": """
        rsync -aHAXx --numeric-ids --info=progress2 --delete root/ clone/""",
    "rotation with a link to the latest": """
        n=$(ls -d day.* 2>/dev/null | wc -l)
        rsync -a --delete --link-dest=../latest root/home/ day.$n
        rm -f latest; ln -s day.$n latest""",
    "rotation where nothing was there": """
        rsync -av --link-dest=$PWD/none root/etc/ first""",
    "keep what was replaced": """
        rsync -a --delete --backup --backup-dir=$PWD/old/monday --suffix=.2024-01-01 root/home/ann/ current/""",
    "suffixes": """
        rsync -ab --suffix=_$(echo 20240101) -v root/home/ann/project/ kept""",
    "suffixes and delete": """
        rsync -ai --delete -b root/etc/ kept""",
    "staging": """
        rsync -a --delete --exclude .git --exclude node_modules root/home/ann/project/ stage/""",
    "Jenkins": """
        mkdir -p ws; rsync -rlptDvz --delete --exclude='.git*' --exclude '*.o' root/home/ann/project ws/ --stats""",
    "the --exclude that comes last": """
        rsync -avz root/home/ann/project/ site --exclude=/build --delete""",
    "checksums": """
        rsync -rcv --delete --cvs-exclude root/home/ann/project/ site; touch site/Makefile; rsync -cropgtv --cvs-exclude root/home/ann/project/ site""",
    "dotfiles": """
        cd root/home/ann/project; rsync --exclude '.git/' --exclude Makefile -avh --no-perms . ../../../../dots""",
    "dotfiles, dry": """
        mkdir -p dots; cd root/home/ann/project; rsync --exclude '.git/' --exclude Makefile -avh --no-perms --dry-run . ../../../../dots""",
    "make install": """
        mkdir -p dest/usr; rsync -rptl --chmod=D755,F644 --exclude=.git root/home/ann/project/src root/home/ann/project/run.sh dest/usr/lib/""",
    "make install, X": """
        rsync -rupE --chmod=a+rX,u+w,go-w root/home/ann/project dest --exclude '*~' --exclude=build""",
    "make install one file": """
        rsync -a root/home/ann/project/run.sh bin.sh; mkdir -p sbin; rsync -av root/home/ann/project/run.sh sbin/; rsync -av root/home/ann/project/run.sh sbin""",
    "Docker context": """
        rsync -a --files-from=root/home/ann/project/list root/home/ann/project context""",
    "list from a pipe": """
        cd root; find . -name '*.jpg' -print0 | rsync -0av --files-from=- . ../picked""",
    "list with folders": """
        printf 'etc\\nhome/ann/project/src/\\nmissing\\n' | rsync -av --files-from=- root picked""",
    "list, recursive, delete": """
        printf 'etc/\\nhome/ann/project/src/\\n' | rsync -avr --delete --files-from=- root picked""",
    "FAT": """
        rsync -rtv --size-only --modify-window=1 root/home/ann/photos/ card/
        touch -d @1600000700 'card/2019/IMG 1.jpg'; rsync -rtv --size-only root/home/ann/photos/ card; rsync -rtvi --modify-window=1 root/home/ann/photos/ card""",
    "FAT, no owners": """
        rsync -rltDv --no-perms --no-owner --no-group --modify-window=2 root/home/ann/photos card""",
    "-avP": """
        rsync -avP root/home/ann/photos copies/""",
    "-azvhP": """
        rsync -azvhP --delete root/home/ann/project/ copies""",
    "--progress": """
        rsync -a --progress root/usr/share/data copies/""",
    "-ah --info=progress2 --info=name0": """
        rsync -ah --info=progress2 --info=name0 root/usr/ copies""",
    "--partial-dir": """
        rsync -avh --partial-dir=.rsync-partial --delete root/home/ann/photos/ copies""",
    "--inplace --no-whole-file": """
        rsync -av --inplace --no-whole-file root/var/ copies""",
    "--append": """
        rsync -av --append root/var/log/ logs; rsync -av --append-verify root/var/log/ logs""",
    "move": """
        rsync -av --remove-source-files root/home/ann/photos/2019/ moved; find root/home/ann/photos/2019 | sort""",
    "move and tidy": """
        rsync -a --remove-source-files root/tmp/ out/ && find root/tmp -type d -empty -delete""",
    "--ignore-existing": """
        mkdir -p have/etc; echo mine > have/etc/passwd; touch -d @1500000000 have/etc/passwd; rsync -av --ignore-existing root/etc have""",
    "--existing": """
        mkdir -p have/etc; echo mine > have/etc/passwd; touch -d @1500000000 have/etc/passwd; rsync -ai --existing root/etc have""",
    "--update": """
        mkdir -p have; echo mine > have/passwd; touch -d @1700000000 have/passwd; rsync -auv root/etc/ have""",
    "two ways": """
        mkdir -p other; echo o > other/o; touch -d @1600000000 other/o; rsync -auv root/tmp/ other/; rsync -auv other/ root/tmp/""",
    "what would change": """
        mkdir -p have; rsync -rtl root/etc/ have; echo x > have/x; rsync -ain --delete root/etc/ have; rsync -an --itemize-changes --out-format='%i|%n|%l|%L' root/etc/ have; rsync -avnc --delete root/etc/ have""",
    "verify a backup": """
        rsync -a root/ have; printf z > have/etc/init; touch -r root/etc/init have/etc/init; rsync -nrcv --delete root/ have/; rsync -rvnc --out-format=%n root/ have""",
    "--stats": """
        rsync -a --stats root/ have; rsync -ah --stats --delete root/ have | grep -E '^(Number|Total (transferred )?file)'""",
    "an old habit: -e ssh": """
        rsync -avz -e ssh root/etc have; rsync -avz -e 'ssh -p 22 -i key' --compress-level=9 root/etc have""",
    "--rsync-path --bwlimit": """
        rsync -a --bwlimit=50000 --rsync-path='sudo rsync' --timeout=600 root/usr have""",
    "filters in the tree": """
        rsync -av --delete-excluded --filter='dir-merge /.rsync-filter' root/home/ann/project/ have""",
    "filters in the tree, hidden": """
        rsync -avFF --delete root/home/ann/project/ have""",
    "git's filters": """
        rsync -av --filter=':- .gitignore' --exclude=.git root/home/ann/project/ have""",
    "git's filters and delete": """
        mkdir -p have/build; touch have/build/kept have/z.o; rsync -ai --filter=':- .gitignore' --delete root/home/ann/project/ have""",
    "similar files": """
        rsync -avy --compare-dest=$PWD/none --no-whole-file root/home/ann/photos/ have; mv have/2019/IMG\\ 0.jpg have/2019/IMG\\ 0.old; rsync -aiyy --delete-after root/home/ann/photos/ have""",
    "pictures only": """
        rsync -av --prune-empty-dirs --include='*/' --include='*.jpg' --exclude='*' root/home/ann/photos/ jpgs""",
    "pictures only, flat filters": """
        rsync -avm -f'+ */' -f'+ *.[jJ][pP][gG]' -f'- *' root/home jpgs""",
    "one subtree only": """
        rsync -av --include=/ann/ --include=/ann/project/ --include='/ann/project/src/***' --exclude='*' root/home/ sub""",
    "directories only": """
        rsync -av -f'+ */' -f'- *' root/home/ tree""",
    "directories only, old": """
        rsync -a --include '*/' --exclude '*' root/ tree; rsync -dv root/ flat""",
    "--safe-links": """
        rsync -rlv --safe-links root/etc root/home links""",
    "--copy-links": """
        rm -f root/etc/mtab root/etc/rc.d/dead; rsync -rLptv root/etc links""",
    "--copy-links, dead ones": """
        rsync -aLv root/etc/rc.d links""",
    "--copy-unsafe-links": """
        rm -f root/etc/mtab root/etc/rc.d/S01; ln -s ../../../usr/bin/vi root/etc/rc.d/vi; touch -h -d @1600000000 root/etc/rc.d root/etc/rc.d/vi; rsync -av --copy-unsafe-links root/etc/rc.d/ links""",
    "-k and -K": """
        rsync -avk root/home/ann/ links; rm -rf links/photos/2020; ln -s 2019 links/photos/2020; rsync -avK root/home/ann/photos links""",
    "-rv": """
        rsync -rv root/home/ann/project somewhere""",
    "-rv twice a slash": """
        rsync -rv root/home/ann/project/ somewhere/new/ --mkpath""",
    "no DEST's parent": """
        rsync -av root/home no/such/parent/""",
    "-rlD": """
        rsync -rlDv --omit-dir-times root/ somewhere""",
    "--chown": """
        rsync -a --chown=www-data:www-data --chmod=Dg+s,ug+w,o-rwx root/home/ann/project/ web""",
    "--no-o --no-g": """
        rsync -rlptv --no-o --no-g --executability root/usr/ web; rsync -a --no-owner --no-group --no-perms root/usr/ web2""",
    "max size": """
        rsync -av --max-size=100k --min-size=1 root/ small""",
    "several sources": """
        rsync -av root/etc root/home/ann/project/ root/bin many; rsync -avR root/etc/passwd root/./home/ann/project many""",
    "globs": """
        rsync -ai root/home/ann/photos/2019/*.jpg root/home/ann/photos/*/ many""",
    "a source that is missing": """
        rsync -av root/etc root/nothing many; rsync -av --ignore-missing-args root/nothing root/etc/init many""",
    "delete when": """
        mkdir -p have/etc have/x/y; touch have/etc/old have/x/y/z; rsync -av --delete-after root/etc root/bin have; rsync -av --delete-delay root/etc have; mkdir -p have/q; rsync -av --delete-before root/ have""",
    "delete with max": """
        mkdir -p have; touch have/a have/b have/c; rsync -av --delete --max-delete=1 root/etc/ have""",
    "empty a directory": """
        mkdir -p nothing; rsync -a root/home/ann/photos/ big; rsync -a --delete nothing/ big/""",
    "force": """
        mkdir -p have/passwd/full; touch have/passwd/full/x; rsync -a --force root/etc/ have; rm -rf have; mkdir -p have/passwd/full; rsync -av root/etc/ have""",
    "--quiet cron": """
        rsync -aq --delete root/home/ann/ have; rsync -aqW --log-file=/dev/null root/home/ann/ have""",
    "-H across folders": """
        mkdir -p root/home/l; ln -f root/usr/bin/vi root/home/l/vi; touch -d @1600000000 root/home/l root/home; rsync -avH root/ have""",
    "temp dir": """
        mkdir -p tmp2; rsync -a -T $PWD/tmp2 root/home/ have; rsync -a --temp-dir=$PWD/tmp2 --delay-updates --delete root/home/ann/ have2""",
    "compare only": """
        rsync -a root/etc/ base; printf new > root/etc/init; touch -d @1600000900 root/etc/init; rsync -avm --compare-dest=../base root/etc/ diff""",
    "copy dest": """
        rsync -a root/etc/ base; rsync -ai --copy-dest=$PWD/base root/etc/ copy""",
    "--sparse": """
        rsync -avS root/var/ have; rsync -av --preallocate root/var/ have2""",
    "old names of options": """
        rsync -a --del --log-format=%n --protect-args root/etc/ have; rsync -vrpogtl --blocking-io --whole-file root/etc/ have2""",
    "list": """
        rsync root/etc/; rsync -r --list-only root/home/ann/project/src; rsync -rv --exclude=.git root/home/ann/project""",
    "names": """
        printf x > 'root/tmp/a b;c$(d)'; touch -d @1600000000 'root/tmp/a b;c$(d)'; rsync -av root/tmp/ have; rsync -av8 -i root/tmp/ have2""",
}

#: And of other tools, manuals and files that build things.
MORE_HABITS: dict[str, str] = {
    "Arch wiki, system backup": """
        rsync -aAXHv --delete --exclude='/dev/*' --exclude='/proc/*' --exclude='/sys/*' --exclude='/tmp/*' --exclude='/run/*' --exclude='/lost+found/' root/ mnt""",
    "Arch wiki, snapshot backup": """
        rsync -qaHAX --delete --link-dest=../last root/etc root/home snap.new; rm -rf last; mv snap.new last""",
    "Arch wiki, file system copy": """
        rsync -qaHAXS root/ copy; rsync -qaHAXS --one-file-system root/ copy""",
    "Gentoo, stage": """
        rsync --archive --hard-links --acls --xattrs --numeric-ids --sparse root/ stage4""",
    "Ubuntu help, home": """
        rsync -aP --exclude-from=root/home/ann/project/.gitignore root/home/ann/ backup""",
    "Debian live": """
        mkdir -p image; rsync -a --delete --exclude=boot root/ image; rsync -a --ignore-existing root/usr/ image/usr""",
    "kernel headers": """
        rsync -a --prune-empty-dirs --include='*/' --include='*.py' --include=Makefile --exclude='*' root/home/ann/project/ headers""",
    "make dist": """
        mkdir -p dist; rsync -R --files-from=root/home/ann/project/list root/home/ann/project/ dist""",
    "make doc": """
        rsync -r --delete --checksum --times root/home/ann/photos/ html/; rsync -rc --itemize-changes root/home/ann/photos/ html/""",
    "Docker entrypoint of WordPress": """
        mkdir -p www; rsync -rlDog --chown=33:33 --delete --exclude-from=/dev/null root/home/ann/project/ www/""",
    "Docker entrypoint of Nextcloud": """
        mkdir -p www; rsync -rlDog --chown 33:33 --delete --exclude /src/ --exclude='/Makefile' root/home/ann/project/ www/
        for d in src build; do rsync -rlDog --chown 33:33 --include /$d/ --exclude '/*' root/home/ann/project/ www/; done""",
    "Docker volume": """
        mkdir -p old new; rsync -a root/var/ old/; rsync -avxHAX --progress old/ new/""",
    "GitHub Pages": """
        mkdir -p gh; touch gh/.nojekyll gh/stale; rsync -q -av --checksum --progress root/home/ann/project/. gh --delete --exclude .nojekyll --exclude .git""",
    "Capistrano": """
        mkdir -p releases/1; rsync -lrpt --exclude=.git --delete root/home/ann/project/ shared/; rsync -a shared/ releases/1/""",
    "Ansible's synchronize": """
        rsync --delay-updates -F --compress --archive --out-format='<<CHANGED>>%i %n%L' root/home/ann/project/ site
        rsync --delay-updates -F --compress --dry-run --checksum --archive --no-perms --out-format='<<CHANGED>>%i %n%L' root/home/ann/project/ site""",
    "Vagrant": """
        rsync --verbose --archive --delete -z --copy-links --no-owner --no-group --exclude .vagrant/ --exclude .git/ root/home/ann/project/ guest""",
    "Puppet": """
        rsync -a --delete --no-o --no-g --chmod=Du=rwx,Dgo=rx,Fu=rw,Fgo=r root/etc/ modules""",
    "PKGBUILD": """
        mkdir -p pkg/opt; rsync -rtl --info=progress2 root/usr/ pkg/opt/app/; rsync -mrt --include='*.jpg' --include='*/' --exclude='*' root/home/ann/photos/ pkg/opt/pics""",
    "borgmatic's staging": """
        rsync --archive --delete --delete-excluded --human-readable --exclude='*.raw' root/home/ann/photos/ staging/""",
    "luckyBackup": """
        rsync -h --stats -r -tgo -p -l -D --update --delete-after root/home/ann/ backup/; rsync -h --stats -r -tgo -p -l -D --delete-after root/home/ann/ backup/""",
    "Grsync": """
        rsync -r -t -p -o -g -v --progress --delete -l -s root/home/ann/project backup; rsync -r -n -t -v --progress -u -c -s root/home/ann/project backup""",
    "Unison's other half": """
        rsync -autz --existing root/etc/ other; mkdir -p other; cp root/etc/passwd other; rsync -auti --existing root/etc/ other""",
    "LVM snapshot": """
        rsync -aHx --numeric-ids --inplace --delete --delete-excluded --exclude=lost+found root/ vg""",
    "btrfs snapshot": """
        rsync -a --inplace --no-whole-file --delete root/var/ subvol; rsync -ai --inplace --no-whole-file --delete root/var/ subvol""",
    "mirrors": """
        rsync -rtlHv --delete-after --delay-updates --safe-links --max-delete=1000 root/usr/ mirror""",
    "mirrors, two stages": """
        rsync -rltvHSB8192 --safe-links --exclude='*.jpg' root/home/ann/photos/ mirror; rsync -rltvHSB8192 --safe-links --delete --delete-after root/home/ann/photos/ mirror""",
    "ISO mirror": """
        rsync -avSHP --delete --delete-excluded --exclude '2019/' root/home/ann/photos/ iso""",
    "CPAN mirror": """
        rsync -a --delete --links root/home/ann/project/ cpan; rsync -rlptv --partial --delay-updates root/home/ann/project/ cpan""",
    "two trees compared": """
        rsync -a root/etc/ other; echo x >> other/passwd; touch -d @1500000000 other/init; rsync -avnc --delete root/etc/ other/; rsync -rin --ignore-existing root/etc/ other/; rsync -rin --existing root/etc/ other/""",
    "difference as a list": """
        rsync -a root/etc/ other; rm other/passwd; rsync -rcn --out-format="%n" root/etc/ other | grep -v '/$'; rsync -rcnC --delete --out-format="%f %l %o" root/etc/ other""",
    "a photo card": """
        rsync -vrtuh --ignore-existing --chmod=F644,D755 root/home/ann/photos/ pictures/; rsync -vrtuh --ignore-existing --remove-source-files root/home/ann/photos/ pictures/""",
    "music": """
        rsync -rvz --size-only --delete --include='*/' --include='*.[jJ][pP]*[gG]' --exclude='*' root/home/ann/photos/ player""",
    "only new files of today": """
        cd root; find home -newermt @1590000000 -type f | rsync -av --files-from=- ./ ../today""",
    "one by one": """
        mkdir -p flat; while read -r name; do rsync -ai "$name" flat/; done < <(find root/home -name '*.jpg' | sort)""",
    "several in braces": """
        rsync -aR root/{etc,bin} root/./home/ann braces; rsync -av root/{etc,bin} braces2""",
    "a tree without its top": """
        rsync -av --no-R root/etc/. top; rsync -av root/etc/./ top; rsync -avR root/./etc/ top""",
    "rename the top": """
        rsync -a root/etc/ renamed/; rsync -a root/etc new; rsync -av root/etc/passwd renamed/passwd.orig""",
    "delete one's cruft": """
        rsync -a root/home/ann/project/ here; touch here/x.o here/y~ here/core; rsync -aiC --delete root/home/ann/project/ here; rsync -aiC --delete-excluded root/home/ann/project/ here""",
    "protect": """
        mkdir -p here/keep here/go; touch here/keep/a here/go/b; rsync -av --delete -f'P keep/***' root/etc/ here; rsync -av --delete --filter='protect go' --filter='risk *' root/etc/ here""",
    "long excludes": """
        rsync -a --exclude={'*.o','.git','node_modules/**'} --exclude='/src/*/' --include='*.py' --delete-excluded root/home/ann/project/ here""",
    "cron with a log": """
        rsync -a --delete --quiet --log-file=log root/home/ann/ here; sed 's/^[^]]*] //; s/sent .*//' log; rm log""",
    "cron, mail if anything": """
        rsync -a --delete --out-format='%o %n' root/home/ann/project/ here | sort""",
    "parallel": """
        for d in root/*/; do rsync -a --relative $d all & done; wait; rsync -ai --relative root all | sort""",
    "sync between disks, then check": """
        rsync -axHAXW --info=progress2 --numeric-ids root/ disk; rsync -axHAXnci --delete root/ disk""",
    "dry, then real": """
        rsync -avzn --delete --stats root/etc/ here | grep -E '^(Number|total)'; rsync -avz --delete --stats root/etc/ here | grep -c '^Number'""",
}

#: Numbers that say how fast, or what two processes told each other.
_MEANINGLESS = [
    (re.compile(rb"^sent [\d.,KMG]+ bytes  received .*"), b"sent"),
    (re.compile(rb"speedup is [\d.,]+"), b"speedup"),
    (re.compile(rb"^building file list ... done"), b"sending incremental file list"),
    (re.compile(rb"^(this process: |worker \d|Literal data|Matched data|File list|Total bytes).*"), b"protocol"),
    (re.compile(rb"^ *([\d.,KMG]+) +(\d+)% .*"), rb"progress \1"),
    (re.compile(rb"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d+\] "), b"log "),
]


def normal(text: bytes) -> list[bytes]:
    """What is printed, without what differs between two runs of one program."""
    found = []
    for line in text.replace(b"\r", b"\n").split(b"\n"):
        for pattern, instead in _MEANINGLESS:
            line = pattern.sub(instead, line)
        if not line.startswith((b"progress", b"protocol", b" ")) and line.strip():
            found.append(line)
    return sorted(found)


#: ``rsync`` in a script is the program under test, and its exit code a line.
_SHELL = """set -u; shopt -s extglob; exec 3>&1
rsync() { command "${program[@]}" "$@"; local code=$?; echo "exit code $code" >&3; return $code; }
program=(%s)
%s
"""


def script(program: list[bytes | str], text: str, work: bytes) -> Result:
    """Run a script's lines in ``work`` with this program as ``rsync``."""
    words = " ".join(f"'{os.fsdecode(word)}'" for word in program)
    return run(["bash", "-c", _SHELL % (words, text)], cwd=work)


def twice(program: list[bytes | str], text: str, work: bytes) -> list[Any]:
    """Make the machine, run a script, change the machine, run it again: what was printed, and what there is then."""
    shutil.rmtree(work, ignore_errors=True)
    create(os.path.join(work, b"root"), machine())
    seen: list[Any] = []
    for before in ("", CHANGES):
        run(["bash", "-c", before], cwd=work)
        done = script(program, text, work)
        seen.append([*normal(done.out), b"errors: %r" % any(b"WARNING" not in line for line in done.err.splitlines())])
        seen.append(snapshot(work, times=False))
    return seen


@pytest.mark.parametrize("habit", [*HABITS, *MORE_HABITS])
def test_habit(here: bytes, habit: str) -> None:
    work = os.path.join(here, b"work")
    lines = (HABITS | MORE_HABITS)[habit]
    theirs, ours = twice(["rsync"], lines, work), twice(ARSYNC, lines, work)
    assert any(line.startswith(b"exit code") for line in theirs[0])
    for expected, actual in zip(theirs, ours, strict=True):
        if isinstance(expected, dict):
            assert_same(expected, actual)
        else:
            assert "\n".join(map(repr, actual)) == "\n".join(map(repr, expected))
