"""Two households whose invitation has expired before their routers came: what they are told, and that a new one helps."""

import signal
import time
import unittest

from neighbours import BINARIES, Neighbours


class Late(Neighbours):
    """Both come after the invitation's end; in a community with an admin they have no certificate either."""

    def __init__(self, certify):
        super().__init__()
        self.certify = certify

    def start_agents(self):
        if self.certify:
            self.proxy("community", "certify", "Elm Street")
        self.proxy("invite", "Elm Street", "--end")
        self.invite("--expires", "1s")
        time.sleep(2)
        super().start_agents()

    def check(self):
        return self.inside("elm", BINARIES / "burstmesh", "check", "--config", self.folder / "elm.uci")

    def paste_anew(self):
        old = self.invitation
        self.invite()
        for house in ("elm", "oak"):
            file = self.folder / f"{house}.uci"
            file.write_text(file.read_text().replace(old, self.invitation))
        for agent in self.processes[-2:]:
            agent.send_signal(signal.SIGHUP)


class Expired(unittest.TestCase):
    def held(self, certify):
        with Late(certify) as lab:
            time.sleep(3)
            status = lab.wait(lambda status: status["uptime_s"] > 3)
            self.assertFalse(status["pooling"])
            self.assertIn("the invitation has expired, so a router that is new needs another one", status["sentence"])
            self.assertIn("elm.uci:2: the invitation has expired", lab.check())
            lab.paste_anew()
            status = lab.wait(lambda status: status["pooling"])
            self.assertNotIn("expired", status["sentence"] + lab.check())

    def test_a_new_router_is_told_and_a_new_invitation_helps(self):
        self.held(certify=False)

    def test_so_it_is_where_members_have_certificates(self):
        self.held(certify=True)


if __name__ == "__main__":
    unittest.main()
