"""IBM Quantum's service on this machine, for rehearsals and tests: the stock client, simulated devices, no account."""

from qgen.devserver.billing import Ledger as Ledger
from qgen.devserver.billing import LedgerEntry as LedgerEntry
from qgen.devserver.billing import Plan as Plan
from qgen.devserver.billing import Tariff as Tariff
from qgen.devserver.device import DeviceModel as DeviceModel
from qgen.devserver.faults import Fault as Fault
from qgen.devserver.server import DevServer as DevServer
