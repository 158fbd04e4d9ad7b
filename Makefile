# The commands of the project; each script says in its first lines what it does.
.DEFAULT_GOAL := help
.PHONY: help run test bench load stop clean

help:
	@echo 'make run     set up what is missing, start Zhutu and print its address'
	@echo '             PORT=8001 LIVE_PORT=8901 HJ212_PORT=9300 JT808_PORT=… HTTP_PORT=… MQTT_PORT=… GB28181_PORT=… EXISTING_PORT=… other ports; DETACH=1 return once it answers'
	@echo 'make test    set up what is missing, then every check and every test'
	@echo '             ARGS="tests/gis -x" goes to pytest'
	@echo 'make bench   the speed comparisons; ONLY=tiles runs a part'
	@echo 'make load    a large simulated city against the gateways; DEVICES=5000 TRUCKS=500 INTERVAL=10 FOR=120'
	@echo 'make stop    stop everything that the commands above started'
	@echo 'make clean   stop, then remove the environment, the builds and all data of this folder'

run:
	@bash deploy/run.sh

test:
	@bash deploy/test.sh $(ARGS)

bench:
	@bash deploy/bench.sh $(ONLY)

load:
	@bash deploy/load.sh

stop:
	@bash deploy/stop.sh

clean:
	@bash deploy/clean.sh
