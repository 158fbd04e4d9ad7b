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
        ('enterprises', '0001_initial'),
        ('spatial', '0002_region_code_at'),
    ]

    operations = [
        migrations.CreateModel(
            name='Outfall',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('normal', '正常'), ('abnormal', '排放异常'), ('rectifying', '整治中'), ('closed', '封堵')], default='normal', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('plant', '污水厂排口'), ('rain', '雨水排口'), ('combined', '合流溢流口')], max_length=8, verbose_name='排口类型')),
                ('water', models.CharField(blank=True, max_length=60, verbose_name='受纳水体')),
                ('diameter', services.catalog.quantities.Quantity(blank=True, null=True, unit='mm', validators=[django.core.validators.MinValueValidator(0)], verbose_name='管径')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '排污口',
                'verbose_name_plural': '排污口',
            },
        ),
        migrations.CreateModel(
            name='OutfallInspection',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='巡查日期')),
                ('inspector', models.CharField(max_length=60, verbose_name='巡查人员')),
                ('flowing', models.BooleanField(default=False, verbose_name='晴天出水')),
                ('findings', models.CharField(blank=True, max_length=300, verbose_name='发现问题')),
                ('outfall', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inspections', to='sewage.outfall', verbose_name='排污口')),
            ],
            options={
                'verbose_name': '巡查记录',
                'verbose_name_plural': '巡查记录',
                'ordering': ['-done_on'],
            },
        ),
        migrations.CreateModel(
            name='Sample',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('taken_at', models.DateTimeField(verbose_name='采样时间')),
                ('cod', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='化学需氧量')),
                ('ammonia', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='氨氮')),
                ('phosphorus', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='总磷')),
                ('laboratory', models.CharField(blank=True, max_length=100, verbose_name='检测单位')),
                ('outfall', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='samples', to='sewage.outfall', verbose_name='排污口')),
            ],
            options={
                'verbose_name': '水质采样',
                'verbose_name_plural': '水质采样',
                'ordering': ['-taken_at'],
            },
        ),
        migrations.CreateModel(
            name='SewagePlant',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.PointField(blank=True, null=True, srid=4490, verbose_name='位置')),
                ('state', models.CharField(choices=[('running', '正常运行'), ('exceeding', '出水超标'), ('repair', '检修'), ('stopped', '停运')], default='running', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('urban', '城镇污水厂'), ('rural', '农村污水处理设施')], default='urban', max_length=8, verbose_name='设施类型')),
                ('address', models.CharField(blank=True, max_length=200, verbose_name='地址')),
                ('standard', models.CharField(choices=[('1A', '一级A'), ('1B', '一级B'), ('2', '二级')], default='1A', max_length=2, verbose_name='排放标准')),
                ('process', models.CharField(blank=True, max_length=60, verbose_name='处理工艺')),
                ('capacity', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³/d', validators=[django.core.validators.MinValueValidator(0)], verbose_name='设计规模')),
                ('flow', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³/h', validators=[django.core.validators.MinValueValidator(0)], verbose_name='瞬时流量')),
                ('cod', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='化学需氧量')),
                ('ammonia', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='氨氮')),
                ('nitrogen', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='总氮')),
                ('phosphorus', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='总磷')),
                ('measured_at', models.DateTimeField(blank=True, null=True, verbose_name='监测时间')),
                ('opened_on', models.DateField(blank=True, null=True, verbose_name='投运日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.PointField(null=True, srid=3857))),
                ('enterprise', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='sewage_plants', to='enterprises.enterprise', verbose_name='运营单位')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '污水处理厂',
                'verbose_name_plural': '污水处理厂',
            },
        ),
        migrations.AddField(
            model_name='outfall',
            name='plant',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='outfalls', to='sewage.sewageplant', verbose_name='所属污水厂'),
        ),
        migrations.CreateModel(
            name='SewerPipe',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('code', models.CharField(blank=True, db_index=True, max_length=64, verbose_name='编号')),
                ('name', models.CharField(max_length=200, verbose_name='名称')),
                ('geom', gis.fields.LineStringField(blank=True, null=True, srid=4490, verbose_name='线路')),
                ('state', models.CharField(choices=[('normal', '正常'), ('blocked', '淤堵'), ('damaged', '破损'), ('building', '在建')], default='normal', max_length=12, verbose_name='状态')),
                ('kind', models.CharField(choices=[('sewage', '污水'), ('rain', '雨水'), ('combined', '合流')], default='sewage', max_length=8, verbose_name='管线类型')),
                ('material', models.CharField(blank=True, choices=[('concrete', '钢筋混凝土'), ('hdpe', 'HDPE'), ('iron', '球墨铸铁'), ('pvc', 'PVC-U')], max_length=8, verbose_name='管材')),
                ('diameter', services.catalog.quantities.Quantity(blank=True, null=True, unit='mm', validators=[django.core.validators.MinValueValidator(0)], verbose_name='管径')),
                ('depth', services.catalog.quantities.Quantity(blank=True, null=True, unit='m', validators=[django.core.validators.MinValueValidator(0)], verbose_name='埋深')),
                ('length', models.GeneratedField(db_persist=True, expression=services.catalog.quantities.LineLength('geom', metres=1), output_field=services.catalog.quantities.Quantity(blank=True, null=True, unit='m'), verbose_name='长度')),
                ('laid_on', models.DateField(blank=True, null=True, verbose_name='敷设日期')),
                ('geom_3857', gis.fields.WebTwin(db_persist=True, expression=django.contrib.gis.db.models.functions.Transform('geom', 3857), output_field=django.contrib.gis.db.models.fields.LineStringField(null=True, srid=3857))),
                ('plant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='pipes', to='sewage.sewageplant', verbose_name='汇入污水厂')),
                ('region', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='spatial.region', verbose_name='行政区')),
            ],
            options={
                'verbose_name': '排水管线',
                'verbose_name_plural': '排水管线',
            },
        ),
        migrations.CreateModel(
            name='PipeInspection',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='检测日期')),
                ('method', models.CharField(choices=[('cctv', 'CCTV检测'), ('sonar', '声纳检测'), ('mirror', '潜望镜检测')], max_length=8, verbose_name='检测方法')),
                ('defect', models.CharField(choices=[('0', '无缺陷'), ('1', '1级（轻微）'), ('2', '2级（中等）'), ('3', '3级（严重）'), ('4', '4级（重大）')], max_length=1, verbose_name='缺陷等级')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='说明')),
                ('pipe', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inspections', to='sewage.sewerpipe', verbose_name='排水管线')),
            ],
            options={
                'verbose_name': '管道检测',
                'verbose_name_plural': '管道检测',
                'ordering': ['-done_on'],
            },
        ),
        migrations.CreateModel(
            name='Dredging',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('done_on', models.DateField(verbose_name='清淤日期')),
                ('volume', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³', validators=[django.core.validators.MinValueValidator(0)], verbose_name='清淤量')),
                ('done_by', models.CharField(blank=True, max_length=100, verbose_name='作业单位')),
                ('pipe', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dredgings', to='sewage.sewerpipe', verbose_name='排水管线')),
            ],
            options={
                'verbose_name': '清淤养护',
                'verbose_name_plural': '清淤养护',
                'ordering': ['-done_on'],
            },
        ),
        migrations.CreateModel(
            name='Equipment',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('number', models.CharField(max_length=50, verbose_name='设备编号')),
                ('title', models.CharField(max_length=100, verbose_name='设备名称')),
                ('maker', models.CharField(blank=True, max_length=100, verbose_name='厂家')),
                ('power', services.catalog.quantities.Quantity(blank=True, null=True, unit='kW', validators=[django.core.validators.MinValueValidator(0)], verbose_name='功率')),
                ('made_on', models.DateField(blank=True, null=True, verbose_name='生产日期')),
                ('state', models.CharField(choices=[('running', '运行'), ('standby', '备用'), ('fault', '故障')], default='running', max_length=8, verbose_name='设备状态')),
                ('plant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='equipment', to='sewage.sewageplant', verbose_name='污水处理厂')),
            ],
            options={
                'verbose_name': '设备档案',
                'verbose_name_plural': '设备档案',
                'ordering': ['number'],
                'constraints': [models.UniqueConstraint(fields=('plant', 'number'), name='equipment_once')],
            },
        ),
        migrations.CreateModel(
            name='DailyReport',
            fields=[
                ('id', models.UUIDField(db_default=services.catalog.ids.UUID7(), default=services.catalog.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='创建时间')),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='更新时间')),
                ('day', models.DateField(verbose_name='日期')),
                ('volume', services.catalog.quantities.Quantity(blank=True, null=True, unit='m³', validators=[django.core.validators.MinValueValidator(0)], verbose_name='处理水量')),
                ('cod', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='化学需氧量')),
                ('ammonia', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='氨氮')),
                ('nitrogen', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='总氮')),
                ('phosphorus', services.catalog.quantities.Quantity(blank=True, null=True, unit='mg/L', validators=[django.core.validators.MinValueValidator(0)], verbose_name='总磷')),
                ('temperature', services.catalog.quantities.Quantity(blank=True, null=True, unit='℃', verbose_name='水温')),
                ('energy', services.catalog.quantities.Quantity(blank=True, null=True, unit='kWh', validators=[django.core.validators.MinValueValidator(0)], verbose_name='用电量')),
                ('plant', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='daily_reports', to='sewage.sewageplant', verbose_name='污水处理厂')),
            ],
            options={
                'verbose_name': '运行日报',
                'verbose_name_plural': '运行日报',
                'ordering': ['-day'],
                'constraints': [models.UniqueConstraint(fields=('plant', 'day'), name='sewage_report_once_a_day', violation_error_message='该日日报已存在。')],
            },
        ),
    ]
