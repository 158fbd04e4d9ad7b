import django.contrib.gis.db.models.fields
import django.contrib.gis.db.models.functions
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import gis.fields
import services.catalog.ids
import services.catalog.quantities
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('projects', '0001_initial'),
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Monitor',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('code', models.CharField(max_length=32, unique=True, verbose_name='设备编号（MN）')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('online', '在线'), ('offline', '离线'), ('fault', '故障'), ('calibrating', '校准中')], default='offline', max_length=12, verbose_name='状态')),
                ('spot', models.CharField(choices=[('gate', '车辆出入口'), ('boundary', '场界'), ('work', '作业区'), ('sensitive', '敏感点')], default='boundary', max_length=12, verbose_name='安装部位')),
                ('maker', models.CharField(blank=True, max_length=60, verbose_name='厂家')),
                ('pm10', services.catalog.quantities.Quantity(blank=True, null=True, unit='µg/m³', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(20000)], verbose_name='PM10')),
                ('pm25', services.catalog.quantities.Quantity(blank=True, null=True, unit='µg/m³', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(20000)], verbose_name='PM2.5')),
                ('tsp', services.catalog.quantities.Quantity(blank=True, null=True, unit='µg/m³', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(20000)], verbose_name='TSP')),
                ('noise', services.catalog.quantities.Quantity(blank=True, null=True, unit='dB(A)', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(200)], verbose_name='噪声')),
                ('temperature', services.catalog.quantities.Quantity(blank=True, null=True, unit='℃', verbose_name='气温')),
                ('humidity', services.catalog.quantities.Quantity(blank=True, null=True, unit='%', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(100)], verbose_name='湿度')),
                ('pressure', services.catalog.quantities.Quantity(blank=True, null=True, unit='kPa', validators=[django.core.validators.MinValueValidator(0)], verbose_name='气压')),
                ('wind_speed', services.catalog.quantities.Quantity(blank=True, null=True, unit='m/s', validators=[django.core.validators.MinValueValidator(0)], verbose_name='风速')),
                ('wind_direction', services.catalog.quantities.Quantity(blank=True, null=True, unit='°', validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(360)], verbose_name='风向')),
                ('measured_at', models.DateTimeField(blank=True, null=True, verbose_name='监测时间')),
                ('installed_on', models.DateField(blank=True, null=True, verbose_name='安装日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='monitors', to='projects.project', verbose_name='所属工程')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '扬尘噪声监测设备',
                'verbose_name_plural': '扬尘噪声监测设备',
            },
        ),
        migrations.CreateModel(
            name='Fault',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('kind', models.CharField(choices=[('offline', '断线'), ('sensor', '传感器故障'), ('power', '供电故障'), ('tamper', '疑似干扰')], max_length=12, verbose_name='故障类型')),
                ('began_at', models.DateTimeField(verbose_name='发生时间')),
                ('ended_at', models.DateTimeField(blank=True, null=True, verbose_name='恢复时间')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('monitor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='faults', to='environment.monitor', verbose_name='监测设备')),
            ],
            options={
                'verbose_name': '故障记录',
                'verbose_name_plural': '故障记录',
                'ordering': ['-began_at'],
            },
        ),
        migrations.CreateModel(
            name='Calibration',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='校准日期')),
                ('factor', models.CharField(choices=[('pm10', 'PM10'), ('pm25', 'PM2.5'), ('tsp', 'TSP'), ('noise', '噪声')], max_length=8, verbose_name='因子')),
                ('shown', models.FloatField(verbose_name='示值')),
                ('reference', models.FloatField(verbose_name='标准值')),
                ('passed', models.BooleanField(verbose_name='合格')),
                ('done_by', models.CharField(blank=True, max_length=100, verbose_name='校准单位')),
                ('monitor', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='calibrations', to='environment.monitor', verbose_name='监测设备')),
            ],
            options={
                'verbose_name': '校准记录',
                'verbose_name_plural': '校准记录',
                'ordering': ['-done_on'],
            },
        ),
        migrations.AddIndex(
            model_name='monitor',
            index=models.Index(fields=['state'], name='monitor_state'),
        ),
        migrations.AddConstraint(
            model_name='monitor',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('pm10', None), ('pm10__gte', 0), _connector='OR'), models.Q(('pm25', None), ('pm25__gte', 0), _connector='OR'), models.Q(('tsp', None), ('tsp__gte', 0), _connector='OR')), name='monitor_particles_not_negative', violation_error_message='颗粒物浓度不得为负。'),
        ),
        migrations.AddConstraint(
            model_name='fault',
            constraint=models.CheckConstraint(condition=models.Q(('ended_at', None), ('ended_at__gte', models.F('began_at')), _connector='OR'), name='monitor_fault_times_in_order', violation_error_message='恢复时间不得早于发生时间。'),
        ),
    ]
